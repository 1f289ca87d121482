"""Mirror with a snapshot in the file: what the warehouse would compare by itself is brought here.

First one fingerprint a bucket comes over the network, then, of the buckets that differ, every row with its key, its
hash and all that is sent. From there on the shared SQL finds the changes, in the file.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import TYPE_CHECKING

from mixpanel_wh.engine import batches
from mixpanel_wh.engine.ports import Column, Part
from mixpanel_wh.engine.spec import SyncSpec
from mixpanel_wh.engine.state import Pending
from mixpanel_wh.warehouses.catalogue import Partitions
from mixpanel_wh.warehouses.kept import Names
from mixpanel_wh.warehouses.present import BUCKET, HASH
from mixpanel_wh.warehouses.projection import Projection
from mixpanel_wh.warehouses.scanning import Scan
from mixpanel_wh.warehouses.snapshots import HashSnapshots
from mixpanel_wh.warehouses.staging import Staging
from mixpanel_wh.warehouses.staging_file.place import BROUGHT, FileStaging
from mixpanel_wh.warehouses.tables import duplicate_keys

if TYPE_CHECKING:
    import pyarrow as pa

NAMED_BUCKETS = 10_000  # so many buckets a statement names; beyond, every row comes and the others are dropped here
CONTROL = {
    BUCKET: "BIGINT", batches.KEY: "VARCHAR", HASH: "BLOB", batches.FAULT: "VARCHAR", batches.EVENT: "VARCHAR",
    batches.TIME: "BIGINT", batches.USER: "VARCHAR", batches.DEVICE: "VARCHAR",
}  # fmt: skip


@dataclass(frozen=True)
class BroughtProjection(Projection):
    """`Projection` over rows that were brought from the source: everything is a column by now. Its name begins with its
    number, since names that differ in case only are one name in the file."""

    origin: Projection

    @property
    def identity(self) -> list[tuple[str, str]]:
        """The fields that Mixpanel tells records apart by."""
        return [(alias, alias) for alias, _ in self.origin.identity]

    @property
    def payload(self) -> list[Column]:
        """The columns that travel to the encoder."""
        return [Column(f"{n} {column.name}", column.type) for n, column in enumerate(self.origin.payload)]

    @property
    def names(self) -> list[str]:
        """Every column of the rows, in order."""
        control = [BUCKET, batches.KEY, HASH, batches.FAULT, *(alias for alias, _ in self.identity)]
        return [*control, *(column.name for column in self.payload)]


@dataclass
class FileSnapshots(HashSnapshots):
    """`ports.Snapshots` by hashes kept in the file; `tables` are those of the warehouse."""

    file: FileStaging
    brought: tuple[object, ...] | None = field(default=None, init=False)
    """Of which rows the brought ones are, since the last run began."""
    counted: tuple[object, ...] | None = field(default=None, init=False)
    """Of which rows the brought fingerprints are."""

    @property
    def staging(self) -> Staging:
        """Where the snapshot stands."""
        return self.file

    def _rows_of(self, spec: SyncSpec) -> str:
        return self.file.table("brought", spec.name)

    def _prepare(self, projection: Projection, names: Names, partitions: Partitions | None) -> tuple[int, bool]:
        """Clear debris, and the same."""
        self._execute(f"DROP TABLE IF EXISTS {self._rows_of(projection.spec)}")
        self.brought = self.counted = None
        return super()._prepare(projection, names, partitions)

    def _assign_buckets(self, projection: Projection, names: Names, scan: Scan) -> None:
        """Give every row of an older snapshot its bucket. Fingerprints come before the rows, as always: a row that
        changes between the two differs again at the next run, where one older than its fingerprint never would."""
        self._fingerprints(projection, scan)
        super()._assign_buckets(projection, names, scan)

    def _fingerprints(self, projection: Projection, scan: Scan) -> str:
        """The fingerprints of now, brought at the first asking: rows and fingerprints as text, whatever the warehouse
        makes them of."""
        table = self.file.table("brought_fingerprints", projection.spec.name)
        of = (scan.source, scan.buckets, scan.looked_at)
        if self.counted != of:
            columns = {BUCKET: "BIGINT", "n": "BIGINT", "x": "VARCHAR"}
            self.bring(table, columns, super()._fingerprints(projection, scan), dict(projection.parameters))
            self.counted = of
        return f"SELECT * FROM {table}"

    def bring(self, table: str, columns: dict[str, str], query: str, parameters: dict[str, str]) -> None:
        """Write the answer of a query on the source into a table of the file that is made for it, its columns under
        these names and types, in order."""
        with self._streamed(query, parameters) as stream:
            first = list(islice(stream, 1))  # a query that is refused leaves no table
            self._take(table, columns, chain(first, stream))

    @contextmanager
    def _streamed(self, query: str, parameters: dict[str, str]) -> Iterator[Iterator[pa.RecordBatch]]:
        """The answer of a query on the source, which is given back in any case."""
        stream = self.tables.staging.session.stream(query, parameters, plain=False)
        try:
            yield stream
        finally:
            if isinstance(stream, Generator):
                stream.close()

    def _take(self, table: str, columns: dict[str, str], stream: Iterator[pa.RecordBatch]) -> None:
        self._execute(f"DROP TABLE IF EXISTS {table}")
        self._execute(f"CREATE TABLE {table} ({', '.join(f'{name} {type}' for name, type in columns.items())})")
        listed = ", ".join(_cast(name, type) for name, type in columns.items())
        for rows in stream:
            self.file.write(f"INSERT INTO {table} SELECT {listed} FROM {BROUGHT}", _named(rows, list(columns)))

    def _write_changes(self, projection: Projection, names: Names, scan: Scan, where: str, part: Part | None) -> None:
        """Inserts and updates with their payload, then deletes, into the change table."""
        super()._write_changes(_brought(projection, self), names, scan, where, part)
        for table in (self._rows_of(projection.spec), self.file.table("brought_fingerprints", projection.spec.name)):
            self._execute(f"DROP TABLE IF EXISTS {table}")

    def _current(self, projection: Projection, scan: Scan, where: str, payload: bool) -> str:
        """The table's rows in the buckets in question, brought at the first asking."""
        local = _brought(projection, self)
        self._bring_rows(local, scan, where)
        shown = ", ".join(self.dialect.quote(name) for name in (local.names if payload else local.names[:2]))
        return f"SELECT {shown} FROM {self._rows_of(projection.spec)} WHERE {where}"

    def _bring_rows(self, local: BroughtProjection, scan: Scan, where: str) -> None:
        of = (scan.source, scan.buckets, scan.looked_at, where)
        if self.brought == of:
            return
        self.brought, table, there = of, self._rows_of(local.spec), False
        query = self._present(local.origin, scan).rows(self._named_buckets(local.spec, where), payload=True)
        self._execute(f"DROP TABLE IF EXISTS {table}")
        with self._streamed(query, dict(local.origin.parameters)) as stream:
            for rows in stream:
                named = _named(rows, local.names)
                taken = f"SELECT {_listed(local, named)} FROM {BROUGHT}"
                if not there:
                    self.file.write(f"CREATE TABLE {table} AS {taken} LIMIT 0", named)
                    there = True
                self.file.write(f"INSERT INTO {table} {taken} WHERE {where}", named)
        if not there:
            columns = (f"{self.dialect.quote(name)} {CONTROL.get(name, 'VARCHAR')}" for name in local.names)
            self._execute(f"CREATE TABLE {table} ({', '.join(columns)})")

    def _named_buckets(self, spec: SyncSpec, where: str) -> str:
        """The condition in words that the source understands, which knows no table of the file."""
        if where == "TRUE":
            return where
        fresh = self._names(spec).fresh
        found = self.file.session.rows(
            f"SELECT {BUCKET} FROM {fresh} WHERE changed AND n IS NOT NULL LIMIT {NAMED_BUCKETS + 1}"
        )
        if len(found) > NAMED_BUCKETS:
            return "TRUE"
        return f"{BUCKET} IN ({', '.join(str(int(row[0])) for row in found)})" if found else "FALSE"

    def _refuse_bad_keys(self, projection: Projection, scan: Scan, where: str) -> None:
        """DuplicateKeys when a key is NULL or repeated among the rows that were brought."""
        local, spec = _brought(projection, self), projection.spec
        if local.origin.key is None or spec.on_duplicate_key == "reject":
            return
        present = self._current(local, scan, where, payload=False)
        found = self.file.session.rows(
            f"SELECT count(*) OVER (), {batches.KEY} FROM ({present}) AS p GROUP BY {batches.KEY} "
            f"HAVING count(*) > 1 OR {batches.KEY} IS NULL LIMIT 3"
        )
        if found:  # the source shows the values of the key by column
            self._present(local.origin, scan).refuse_bad_keys(self._named_buckets(spec, where))
            raise duplicate_keys(spec, int(found[0][0]), [tuple(row[1:]) for row in found])

    def read(self, spec: SyncSpec, pending: Pending) -> Iterator[pa.RecordBatch]:
        """Stream the staged changes in order, without the first `pending.acknowledged`."""
        described = self.file.session.rows(f"DESCRIBE {self._names(spec).changes}")
        json = {str(name) for name, type, *_ in described if type == "JSON"}
        for rows in super().read(spec, pending):
            yield _unnumbered(rows, json)

    def discard(self, spec: SyncSpec, snapshot: bool = False) -> None:
        """Drop the change table, and with `snapshot` the snapshot too."""
        for table in (self._rows_of(spec), self.file.table("brought_fingerprints", spec.name)):
            self.file.session.finally_drop(table)
        super().discard(spec, snapshot)


def _brought(projection: Projection, snapshots: FileSnapshots) -> BroughtProjection:
    """The projection over rows that are here."""
    if isinstance(projection, BroughtProjection):
        return projection
    return BroughtProjection(projection.spec, projection.table, snapshots.dialect, projection)


def _cast(name: str, type: str) -> str:
    return f"CAST({name} AS {type}) AS {name}"


def _named(rows: pa.RecordBatch, names: Sequence[str]) -> pa.RecordBatch:
    """The same columns under other names."""
    import pyarrow as pa

    return pa.RecordBatch.from_arrays(rows.columns, names=list(names))


def _listed(local: BroughtProjection, rows: pa.RecordBatch) -> str:
    """The columns as the file keeps them. Hashes are bytes in some warehouses and text in others."""
    import pyarrow as pa

    def selected(field: pa.Field) -> str:
        name = local.dialect.quote(field.name)
        if field.name == HASH and not pa.types.is_binary(field.type) and not pa.types.is_large_binary(field.type):
            return f"CAST(CAST({name} AS VARCHAR) AS BLOB) AS {name}"
        return f"CAST({name} AS {CONTROL[field.name]}) AS {name}" if field.name in CONTROL else name

    return ", ".join(map(selected, rows.schema))


def _unnumbered(rows: pa.RecordBatch, json: set[str]) -> pa.RecordBatch:
    """The columns under the names of the source, JSON marked as such again."""
    import pyarrow as pa

    columns = [
        pa.ExtensionArray.from_storage(pa.json_(pa.string()), column) if name in json else column
        for name, column in zip(rows.schema.names, rows.columns, strict=True)
    ]
    names = [name if name.startswith(batches.CONTROL_PREFIX) else name.split(" ", 1)[1] for name in rows.schema.names]
    return pa.RecordBatch.from_arrays(columns, names=names)
