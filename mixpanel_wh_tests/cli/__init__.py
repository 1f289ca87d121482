"""Tests of the terminal: what is printed, and with which exit status a verb ends."""
