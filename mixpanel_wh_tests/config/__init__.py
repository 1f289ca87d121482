"""Tests of the config room: what a project file may say, and what is told of one that is wrong."""
