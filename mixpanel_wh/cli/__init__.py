"""`mixpanel-wh`: running, looking at and checking syncs at a terminal. Importing it loads nothing heavy."""

from mixpanel_wh.cli.entry import main

__all__ = ["main"]
