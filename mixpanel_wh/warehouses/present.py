"""The rows of a source table as they are now, in the shape in which a snapshot compares them: SQL over the source."""

from __future__ import annotations

from dataclasses import dataclass

from mixpanel_wh.engine import batches
from mixpanel_wh.warehouses.dialect import Dialect
from mixpanel_wh.warehouses.projection import Projection
from mixpanel_wh.warehouses.scanning import Scan
from mixpanel_wh.warehouses.tables import DUPLICATE, SqlTables, duplicate_keys

BUCKET, HASH = "_mp_bucket", "_mp_hash"


@dataclass(frozen=True)
class Present:
    """What a run looks at of one table; every `where` is a condition on buckets."""

    tables: SqlTables
    projection: Projection
    scan: Scan

    @property
    def _dialect(self) -> Dialect:
        return self.tables.dialect

    @property
    def bucket(self) -> str:
        """The number of a row's bucket; reads the parameters of the projection."""
        return self.scan.bucket(self._dialect.bucket(self.projection.bucket_columns, self.scan.buckets))

    def fingerprints(self) -> str:
        """A row for each bucket: its number, its rows (n) and its fingerprint (x)."""
        value = self._dialect.fast_hash(self.projection.raw_columns)
        total = self._dialect.fast_total(value, repeats=self.projection.key is None)
        return f"SELECT {self.bucket} AS {BUCKET}, count(*) AS n, {total} AS x FROM {self.scan.source} AS t GROUP BY 1"

    def rows(self, where: str, payload: bool) -> str:
        """The rows in the buckets in question with their keys, and with hashes and all that is sent on demand."""
        dialect, projection = self._dialect, self.projection
        columns = f", {projection.select_identity()}{projection.select_payload()}" if payload else ""
        if projection.key is not None:
            value = f", {dialect.hash_value(projection.content)} AS {HASH}{self._fault}" if payload else ""
            return f"SELECT {BUCKET}, {projection.key} AS {batches.KEY}{value}{columns} FROM {self._all} WHERE {where}"
        content = dialect.hash_text(projection.content)
        hashed = f"SELECT {BUCKET}, {content} AS _mp_hash{columns} FROM {self._all} WHERE {where}"
        aliases = "".join(f", {alias}" for alias, _ in projection.identity) + projection.select_payload()
        fault = f"CAST(NULL AS {dialect.text_type}) AS {batches.FAULT}"
        kept = f", {dialect.zero_hash} AS {HASH}, {fault}{aliases}" if payload else ""
        return f"SELECT {BUCKET}, {self.tables.ordinal_key}{kept} FROM ({hashed}) AS h"

    @property
    def _all(self) -> str:
        """What is looked at of the table, with a bucket number on every row."""
        return f"(SELECT *, {self.bucket} AS {BUCKET} FROM {self.scan.source} AS t) AS b"

    @property
    def _fault(self) -> str:
        """What makes a row impossible to send: a repeated key, where the sync rejects such rows."""
        key = self.projection.key
        if self.projection.spec.on_duplicate_key != "reject":
            return f", CAST(NULL AS {self._dialect.text_type}) AS {batches.FAULT}"
        repeated = f"{key} IS NOT NULL AND count(*) OVER (PARTITION BY {key}) > 1"
        return f", CASE WHEN {repeated} THEN {self._dialect.literal(DUPLICATE)} END AS {batches.FAULT}"

    def refuse_bad_keys(self, where: str) -> None:
        """DuplicateKeys when a key is NULL or repeated in the buckets in question, before anything is sent."""
        spec = self.projection.spec
        if self.projection.key is None or spec.on_duplicate_key == "reject":
            return
        names = [self._dialect.quote(name) for name in spec.key_columns]
        missing = " OR ".join(f"{name} IS NULL" for name in names)
        listed = ", ".join(names)
        repeated = f"SELECT {listed} FROM {self._all} WHERE {where} GROUP BY {listed} HAVING count(*) > 1 OR {missing}"
        sql = f"SELECT count(*) OVER (), {listed} FROM ({repeated}) AS r LIMIT 3"
        found = self.tables.staging.session.rows(sql, self.projection.parameters)
        if found:
            raise duplicate_keys(spec, int(found[0][0]), [tuple(row[1:]) for row in found])
