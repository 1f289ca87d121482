"""Snowflake: tables and views, read as Arrow result batches, mirrored by hashes that a stream narrows down.

Everything that compares rows runs in Snowflake; only changed rows leave it. The staging schema may stand in another
database of the account.
"""

from mixpanel_wh.warehouses.snowflake.setup import setup_sql
from mixpanel_wh.warehouses.snowflake.warehouse import SnowflakeWarehouse, connect

__all__ = ["SnowflakeWarehouse", "connect", "setup_sql"]
