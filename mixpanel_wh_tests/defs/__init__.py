"""The Dagster room, over a real sandbox by HTTP and real DuckDB files."""
