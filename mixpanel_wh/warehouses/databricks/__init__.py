"""Databricks: SQL warehouses and clusters, read as Arrow; Delta tables mirrored by their change data feed.

Everything that compares rows runs in Databricks; only changed rows leave it. The staging schema stands in the same
metastore, or, for a user who may write nowhere, in a file.
"""

from mixpanel_wh.warehouses.databricks.in_file import DatabricksFileSnapshots as IN_FILE
from mixpanel_wh.warehouses.databricks.setup import setup_sql
from mixpanel_wh.warehouses.databricks.warehouse import DatabricksWarehouse, connect

__all__ = ["IN_FILE", "DatabricksWarehouse", "connect", "setup_sql"]
