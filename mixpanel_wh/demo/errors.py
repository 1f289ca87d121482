"""What can stop the demo, as one sentence that says what to do."""


class DemoError(Exception):
    """The demo cannot go on: its tables are not installed, its folder is in use, a part of it did not start."""
