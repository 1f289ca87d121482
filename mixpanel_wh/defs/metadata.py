"""What Dagster shows of a sync: plotted numbers of every run, the column schema, and a sample of rejected rows.

Every number is there on every run, a run of zero rows included, since a plot needs its points. Keys begin with
`mixpanel/`; `dagster/row_count`, `dagster/column_schema` and `dagster/table_name` are Dagster's own.
"""

import re
from collections.abc import Iterable
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg

from mixpanel_wh.engine.audit_result import AuditResult
from mixpanel_wh.engine.comparison import Difference
from mixpanel_wh.engine.ports import Table
from mixpanel_wh.engine.result import Rejection, RunResult
from mixpanel_wh.engine.run import Preview
from mixpanel_wh.engine.spec import Mode, RecordType, SyncSpec

COUNTS = (
    "rows_read", "inserted", "updated", "deleted", "accepted", "rejected",
    "records", "requests", "retries", "bytes_sent", "bytes_raw",
)  # fmt: skip
SHOWN_ELSEWHERE = ("name", "description", "group", "owners", "tags", "schedule")
"""Settings that Dagster shows in places of their own."""
REJECTIONS_SHOWN = 20
REJECTION_COLUMNS = ("row_key", "column", "reason", "origin")


def definition_metadata(sync: SyncSpec, table: Table | None) -> dict[str, Any]:
    """What is known before a run: the sync's settings, and the column schema where the table was described."""
    known: dict[str, Any] = {
        "mixpanel/sync": sync.name,
        "mixpanel/mode": sync.mode.value,
        "mixpanel/record": sync.record.value,
        "mixpanel/source_table": str(sync.table),
        "mixpanel/fidelity": "best_effort" if is_best_effort(sync) else "exact",
        "mixpanel/settings": dg.MetadataValue.json(settings_shown(sync)),
    }
    return known | ({"dagster/column_schema": column_schema(table)} if table else {})


def is_best_effort(sync: SyncSpec) -> bool:
    """Events by Mirror through the public API: updates and deletes are re-imports and tombstones."""
    return sync.record is RecordType.EVENT and sync.mode is Mode.MIRROR


def settings_shown(sync: SyncSpec) -> dict[str, Any]:
    """The settings that differ from their defaults and are not shown elsewhere, JSON-ready. A sync holds no secrets."""
    plain = SyncSpec(name="", table=sync.table, record=sync.record, mode=sync.mode)
    changed = {field.name: getattr(sync, field.name) for field in fields(sync)
               if getattr(sync, field.name) != getattr(plain, field.name)}  # fmt: skip
    return {name: _json(value) for name, value in changed.items() if name not in SHOWN_ELSEWHERE}


def _json(value: Any) -> Any:
    if isinstance(value, timedelta):
        return f"{value.total_seconds():g} s"
    if isinstance(value, dict):
        return {str(key): _json(entry) for key, entry in value.items()}
    if isinstance(value, tuple | list):
        return [_json(entry) for entry in value]
    if hasattr(value, "__dataclass_fields__"):
        parts = {field.name: getattr(value, field.name) for field in fields(value)}
        return {name: _json(part) for name, part in parts.items() if part not in (None, (), {})}
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def column_schema(table: Table) -> dg.TableSchema:
    """The table's columns with the warehouse's own type names."""
    return dg.TableSchema([dg.TableColumn(column.name, type=column.type) for column in table.columns])


def statement(sql: str) -> dg.MarkdownMetadataValue:
    """SQL as a block that the UI shows in a window of its own."""
    return dg.MetadataValue.md(f"```sql\n{sql}\n```")


def run_metadata(sync: SyncSpec, result: RunResult, table: Table | None = None) -> dict[str, Any]:
    """The numbers of one run, the same keys whatever happened; lag only where the cursor is a time."""
    shown: dict[str, Any] = {f"mixpanel/{name}": getattr(result, name) for name in COUNTS}
    shown |= {
        "mixpanel/seconds": float(round(result.seconds, 3)),
        "mixpanel/rows_per_second": float(round(result.rows_per_second, 1)),
        "mixpanel/status": result.status,
        "mixpanel/fidelity": result.fidelity,
        "mixpanel/run_id": result.run_id,
        "mixpanel/resumed": result.resumed,
    }
    shown |= {"mixpanel/note": result.message} if result.message else {}
    shown |= {"mixpanel/cursor": result.cursor} if result.cursor else {}
    shown |= {"mixpanel/snapshot": result.snapshot} if result.snapshot else {}
    shown |= {"mixpanel/lag_seconds": lag} if (lag := lag_seconds(sync, result)) is not None else {}
    shown |= {"dagster/column_schema": column_schema(table)} | extent(table) if table else {}
    return shown | ({"mixpanel/rejected_rows": rejection_table(result.rejections)} if result.rejections else {})


def extent(table: Table) -> dict[str, Any]:
    """The source table's size in bytes and its layout, as far as the warehouse knows them without reading it."""
    known = {"mixpanel/source_bytes": table.size, "mixpanel/source_layout": table.layout}
    return {name: value for name, value in known.items() if value is not None}


def lag_seconds(sync: SyncSpec, result: RunResult) -> float | None:
    """How far the newest row that was sent lies back, in seconds; None when the cursor is no moment in time."""
    try:
        newest = datetime.fromisoformat(result.cursor or "")
    except ValueError:
        return None
    zoned = newest if newest.tzinfo else newest.replace(tzinfo=ZoneInfo(sync.timezone))
    return round((datetime.now(zoned.tzinfo) - zoned).total_seconds(), 1)


def rejection_table(rejections: Iterable[Rejection | dict[str, Any]]) -> dg.TableMetadataValue:
    """A sample of at most 20 rejected rows: row key, column, reason, and who refused them."""
    rows = [row if isinstance(row, dict) else vars(row) for row in rejections][:REJECTIONS_SHOWN]
    records = [dg.TableRecord({name: str(row.get(name) or "") for name in REJECTION_COLUMNS}) for row in rows]
    schema = dg.TableSchema([dg.TableColumn(name, type="string") for name in REJECTION_COLUMNS])
    return dg.MetadataValue.table(records, schema)


DIFFERENCE_COLUMNS = ("what", "record", "property", "table", "mixpanel")


def audit_metadata(found: AuditResult) -> dict[str, Any]:
    """The numbers of an audit, and a sample of what differs."""
    names = ("rows", "rejected", "excused", "expected", "held", "missing", "extra", "differing", "share", "since",
             "before", "total")  # fmt: skip
    shown = {f"mixpanel/{name}": getattr(found, name) for name in names if getattr(found, name) is not None}
    shown["mixpanel/compared"] = found.compare
    return shown | ({"mixpanel/differences": _difference_table(found.differences)} if found.differences else {})


def _difference_table(differences: Iterable[Difference]) -> dg.TableMetadataValue:
    rows = [(one.kind, one.record, one.property_name, one.expected, one.held) for one in differences]
    shown = [{name: "" if cell is None else cell for name, cell in zip(DIFFERENCE_COLUMNS, row, strict=True)}
             for row in rows]  # fmt: skip
    schema = dg.TableSchema([dg.TableColumn(name, type="string") for name in DIFFERENCE_COLUMNS])
    return dg.MetadataValue.table([dg.TableRecord(row) for row in shown], schema)


_TOKEN = re.compile(r'"\$token":"(?:[^"\\]|\\.)*"')


def preview_metadata(preview: Preview) -> dict[str, Any]:
    """A dry run: the records as they would be sent, and what would be rejected among the rows looked at."""
    lines = "\n".join(_TOKEN.sub('"$token":"***"', line.strip(",\n")) for line in preview.lines)
    shown: dict[str, Any] = {
        "mixpanel/dry_run": True,
        "mixpanel/records_shown": len(preview.lines),
        "mixpanel/rejected_shown": len(preview.rejections),
        "mixpanel/records": dg.MetadataValue.md(f"```json\n{lines}\n```"),
        "mixpanel/sql": statement(preview.sql),
    }
    return shown | ({"mixpanel/rejected_rows": rejection_table(preview.rejections)} if preview.rejections else {})
