"""A Delta table on disk, kept by delta-rs: versions, change data feed, history. Columns stand under names of our own,
as they do with Delta's column mapping, and each row has a number by which it is found again."""

import shutil
from pathlib import Path

import pyarrow as pa
from deltalake import DeltaTable, Field, Schema, write_deltalake

ROW = "_row"
GONE = "_gone"
FEED = {"delta.enableChangeDataFeed": "true"}
CHANGE_COLUMNS = ("_change_type", "_commit_version", "_commit_timestamp")


def plain(table: pa.Table) -> pa.Table:
    """The rows in types that delta-rs and Spark's clients know."""
    return table.cast(pa.schema([pa.field(one.name, plain_type(one.type), one.nullable) for one in table.schema]))


def plain_type(kind: pa.DataType) -> pa.DataType:
    """The type, without views, extensions and unsigned numbers."""
    if isinstance(kind, pa.BaseExtensionType):
        return plain_type(kind.storage_type)
    for view, usual in ((pa.string_view(), pa.string()), (pa.binary_view(), pa.binary()), (pa.uint64(), pa.int64())):
        if kind == view:
            return usual
    if pa.types.is_map(kind):
        return pa.map_(plain_type(kind.key_type), plain_type(kind.item_type))
    if pa.types.is_list(kind):
        return pa.list_(plain_type(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([pa.field(one.name, plain_type(one.type)) for one in kind])
    return kind


class Shelf:
    """One table, from its version 0 on."""

    def __init__(self, folder: Path, rows: pa.Table, feeds: bool) -> None:
        self.folder = folder
        write_deltalake(str(folder), plain(rows), configuration=FEED if feeds else None)
        self.table = DeltaTable(str(folder))

    @property
    def version(self) -> int:
        """The newest version."""
        return int(self.table.version())

    def append(self, rows: pa.Table) -> None:
        """A version with more rows."""
        write_deltalake(self.table, plain(rows), mode="append")
        self.table.update_incremental()

    def merge(self, changed: pa.Table, gone: pa.Table) -> None:
        """A version in which rows are changed, removed, and added where their number is new."""
        columns = changed.column_names
        source = pa.concat_tables([plain(changed).append_column(GONE, pa.array([False] * changed.num_rows, pa.bool_())),
                                   plain(gone).append_column(GONE, pa.array([True] * gone.num_rows, pa.bool_()))])  # fmt: skip
        values = {name: f"s.{name}" for name in columns}
        merging = self.table.merge(source, f"t.{ROW} = s.{ROW}", source_alias="s", target_alias="t")
        merging = merging.when_matched_delete(f"s.{GONE}").when_matched_update(values)
        merging.when_not_matched_insert(values).execute()

    def reshape(self, column: str | None = None, kind: pa.DataType | None = None) -> None:
        """A version with another shape: with one more column, or with none more, where only names changed."""
        if column is None or kind is None:
            self.table.alter.set_table_description(f"version {self.version + 1}")
        else:
            added = Schema.from_arrow(pa.schema([pa.field(column, plain_type(kind))])).fields
            self.table.alter.add_columns([Field(one.name, one.type, nullable=True) for one in added])
        self.table.update_incremental()

    def feed(self) -> None:
        """A version from which on changes are written down."""
        self.table.alter.set_table_properties(FEED)
        self.table.update_incremental()

    def at(self, version: int) -> pa.Table:
        """The rows of a version; DeltaError or OSError where its files are gone."""
        return plain(DeltaTable(str(self.folder), version=version).to_pyarrow_table())

    def changes(self, first: int, last: int) -> pa.Table:
        """The change data feed of versions."""
        stream = self.table.load_cdf(starting_version=first, ending_version=last)
        return plain(pa.RecordBatchReader.from_stream(stream).read_all())

    def vacuum(self) -> None:
        """Remove every file that the newest version does not need."""
        self.table.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
        shutil.rmtree(self.folder / "_change_data", ignore_errors=True)  # which delta-rs leaves where it is


