"""The demo: its tables, its edits, its comparison of both ends, and the whole of it as a person runs it."""
