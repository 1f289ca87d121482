"""What the example tests share: a few rows in, parsed records and reasons out."""

from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from mixpanel_wh.engine.batches import Encoded
from mixpanel_wh.engine.ports import Column, Encoder, Table
from mixpanel_wh.engine.spec import Identity, Mode, RecordType, SyncSpec, TableName
from mixpanel_wh.mixpanel.records import encoder_for
from mixpanel_wh.mixpanel.settings import ProjectSettings
from mixpanel_wh_tests.mixpanel.records.comparing import records_of

NOW = 1_700_000_000_000
TABLE = TableName(("shop", "orders"))
SIMPLIFIED = ProjectSettings("1", "token")
ORIGINAL = ProjectSettings("1", "token", identity=Identity.ORIGINAL)
ROLES: dict[RecordType, dict[str, Any]] = {
    RecordType.EVENT: {"event_column": "e", "time_column": "t", "user_id": "u", "device_id": "d"},
    RecordType.USER: {"distinct_id": "u"},
    RecordType.GROUP: {"group_id": "u", "group_key": "company"},
    RecordType.LOOKUP: {"lookup_id": "u", "lookup_table_id": "things"},
}


@dataclass(frozen=True)
class Written:
    """What an encoder wrote: `records` a row (None where it was rejected), `reasons` of the rejected rows."""

    encoded: Encoded
    records: list[list[Any] | None]
    reasons: dict[int, tuple[str | None, str]]

    @property
    def only(self) -> Any:
        """The one record of the one row."""
        assert self.reasons == {}
        [[record]] = [row for row in self.records if row is not None]
        return record

    @property
    def properties(self) -> Any:
        """The properties of the one event or profile."""
        return self.only.get("properties") or self.only["$set"]

    @property
    def reason(self) -> tuple[str | None, str]:
        """Column and reason of the one row, which was rejected."""
        assert self.records == [None]
        return self.reasons[0]


def sync(record: RecordType = RecordType.EVENT, **more: Any) -> SyncSpec:
    """A sync with the usual roles; events get their name from a column."""
    return SyncSpec(**{"name": "orders", "table": TABLE, "record": record, "mode": Mode.APPEND, **ROLES[record], **more})


def batch_of(columns: dict[str, Any]) -> pa.RecordBatch:
    """A record batch; control columns that are not given say: one event of Jane's, just now."""
    rows = len(next(iter(columns.values())))
    usual = {"_mp_key": [f"key {row}" for row in range(rows)], "_mp_event": ["Order"] * rows, "_mp_time": [NOW] * rows,
             "_mp_user": ["jane"] * rows}  # fmt: skip
    whole = usual | columns
    return pa.RecordBatch.from_arrays([_array(name, values) for name, values in whole.items()], names=list(whole))


def _array(name: str, values: Any) -> pa.Array:
    if isinstance(values, pa.Array):
        return values
    return pa.array(values, pa.int64() if name in ("_mp_time", "_mp_old_time") else None)


def encoder_of(
    spec: SyncSpec, batch: pa.RecordBatch, settings: ProjectSettings = SIMPLIFIED, json: tuple[str, ...] = (),
    dropped: tuple[str, ...] = (), epoch: int = 0,
) -> Encoder:  # fmt: skip
    """The encoder of a sync over a table with the batch's columns; `json` are those of a JSON type."""
    names = [name for name in batch.schema.names if not name.startswith("_mp_")]
    columns = tuple(Column(name, "JSON" if name in json else "OTHER") for name in names)
    return encoder_for(spec, Table(spec.table, columns), epoch, dropped, settings, "duckdb")


def write(columns: dict[str, Any], spec: SyncSpec | None = None, **more: Any) -> Written:
    """The rows encoded, and what was written parsed by the letter."""
    spec, batch = spec or sync(), batch_of(columns)
    encoded = encoder_of(spec, batch, **more).encode(batch)
    lines = [line.as_py() for line in encoded.lines]
    rejected = encoded.rejected.to_pylist() if encoded.rejected is not None else []
    reasons = {row["row"]: (row["column"], row["reason"]) for row in rejected}
    assert sorted(reasons) == [row for row, line in enumerate(lines) if line is None]
    return Written(encoded, [None if line is None else records_of(line, spec.record) for line in lines], reasons)
