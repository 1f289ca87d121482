"""DuckDB, the embedded default: files that are read and written in this process."""

from mixpanel_wh.warehouses.duckdb.warehouse import DuckDBWarehouse, connect

__all__ = ["DuckDBWarehouse", "connect"]
