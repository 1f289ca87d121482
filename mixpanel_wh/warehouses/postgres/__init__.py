"""Postgres: real tables, views, partitioned and foreign tables, read over COPY from the snapshot of one moment.

Everything that compares rows runs in Postgres; only changed rows leave it. The staging schema stands in the same
database. Missing: logical decoding, and a staging schema elsewhere for a standby.
"""

from mixpanel_wh.warehouses.postgres.setup import setup_sql
from mixpanel_wh.warehouses.postgres.warehouse import PostgresWarehouse, connect

__all__ = ["PostgresWarehouse", "connect", "setup_sql"]
