"""BigQuery: query results read as Arrow over the Storage Read API, Mirror by hashes of the partitions that moved.

Everything that compares rows runs in BigQuery; only changed rows leave it. The staging dataset stands in the same
location as the tables. Every statement is a job with labels, real parameters and a limit on bytes billed.
"""

from mixpanel_wh.warehouses.bigquery.setup import setup_sql
from mixpanel_wh.warehouses.bigquery.warehouse import BigQueryWarehouse, connect

__all__ = ["BigQueryWarehouse", "connect", "setup_sql"]
