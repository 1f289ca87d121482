"""Tests of the Mixpanel room."""
