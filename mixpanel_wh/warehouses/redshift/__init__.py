"""Redshift: tables, views, late-binding views and external tables, read through a cursor or over UNLOAD.

Everything that compares rows runs in Redshift; only changed rows leave it. The staging schema stands in the same
database. Large answers go through Parquet files in S3 where a place for them is given.
"""

from mixpanel_wh.warehouses.redshift.setup import setup_sql
from mixpanel_wh.warehouses.redshift.warehouse import RedshiftWarehouse, connect

__all__ = ["RedshiftWarehouse", "connect", "setup_sql"]
