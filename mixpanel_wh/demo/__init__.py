"""The demo: real tables in a DuckDB file, synced through Dagster to a local Mixpanel, changed, and synced again."""
