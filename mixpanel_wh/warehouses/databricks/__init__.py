"""Databricks: SQL warehouses and clusters, read as Arrow; Delta tables mirrored by their change data feed.

Everything that compares rows runs in Databricks; only changed rows leave it. The staging schema stands in the same
metastore. Missing: state outside of Databricks, for a user who may write nowhere.
"""

from mixpanel_wh.warehouses.databricks.setup import setup_sql
from mixpanel_wh.warehouses.databricks.warehouse import DatabricksWarehouse, connect

__all__ = ["DatabricksWarehouse", "connect", "setup_sql"]
