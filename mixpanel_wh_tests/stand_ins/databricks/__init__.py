"""A Databricks for the tests: its Thrift protocol over HTTP, in front of DuckDB and of Delta tables by delta-rs.

`server` speaks the protocol, from the connector's own generated classes. `holding` holds tables, views and grants;
`reading`, `making`, `writing`, `altering` and `commands` are what statements do to it, and `lake` runs them. `speech`
turns Databricks SQL into DuckDB's. `shelf` keeps a Delta table on disk, by delta-rs.
"""

from mixpanel_wh_tests.stand_ins.databricks.server import RunningDatabricks, running_databricks

__all__ = ["RunningDatabricks", "running_databricks"]
