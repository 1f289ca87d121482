"""A staging schema in a DuckDB file, for warehouses that may only be read.

The file holds state, ledgers and snapshots. What a warehouse would compare by itself is brought here: fingerprints of
all buckets, then the rows of those that differ.
"""

from mixpanel_wh.warehouses.staging_file.snapshots import FileSnapshots
from mixpanel_wh.warehouses.staging_file.warehouse import ReadOnlyWarehouse, kept_in_file

__all__ = ["FileSnapshots", "ReadOnlyWarehouse", "kept_in_file"]
