"""Tests of the engine on a real DuckDB file, with a Mixpanel that stands in this process's memory."""
