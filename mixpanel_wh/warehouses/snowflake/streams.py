"""Streams of the staging schema: each tells in which buckets the rows of a sync's table changed since the last look.

Beside a stream stands the table of buckets to look at. Rows of the stream are moved into it by one statement, which is
also what advances the stream, so a crash in between loses none. A bucket leaves the table when a run that looked at it
is committed. `EVERYTHING` in place of a bucket asks for a look at all of them: it is written before a stream is made,
so that a stream without it covers the snapshot from the beginning.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mixpanel_wh.engine.errors import MixpanelWhError
from mixpanel_wh.engine.ports import Table
from mixpanel_wh.engine.spec import SyncSpec
from mixpanel_wh.warehouses.snowflake.staging import SnowflakeStaging
from mixpanel_wh.warehouses.snowflake.writing import literal

EVERYTHING = -1
BUCKET = "_mp_bucket"


@dataclass(frozen=True)
class Watch:
    """Whether a stream tells of a sync's changes, and a sentence where there is something to say."""

    stream: str | None
    note: str = ""


@dataclass
class Streams:
    """The streams of one open warehouse; `kinds` says of what they are made: "tables", "all" (views too) or "off"."""

    staging: SnowflakeStaging
    kinds: str = "tables"

    def buckets(self, spec: SyncSpec) -> str:
        """The table of buckets to look at."""
        return self.staging.table("buckets", spec.name)

    def name(self, spec: SyncSpec) -> str:
        """The stream of a sync."""
        return self.staging.table("stream", spec.name)

    def watched(self, spec: SyncSpec, table: Table) -> Watch:
        """The stream of the sync's table, made anew where there is none, or where it can tell of nothing any more."""
        if self.kinds == "off" or (table.is_view and self.kinds != "all"):
            self.give_up(spec)
            return Watch(None)
        source = ".".join(self.staging.dialect.quote(part) for part in table.name.parts)
        found = self._shown(spec)
        reason = _useless(found, source) if found else ""
        if found and not reason and self.staging.exists("buckets", spec.name):
            return Watch(self.name(spec))
        return self._made(spec, table, source, reason)

    def _made(self, spec: SyncSpec, table: Table, source: str, reason: str) -> Watch:
        """A new stream, after a note to look at everything once; without one where Snowflake refuses it."""
        self.look_at_everything(spec)
        kind = "VIEW" if table.is_view else "TABLE"
        try:
            self.staging.session.execute(
                f"CREATE OR REPLACE STREAM {self.name(spec)} ON {kind} {source} COMMENT = {literal(source)}"
            )
        except MixpanelWhError as error:
            self.give_up(spec)
            told = f"there can be no stream on {table.name}: {error}; {_mend(table, source)}"
            return Watch(None, f"all rows were compared, since {told}")
        return Watch(self.name(spec), f"all rows were compared once, since {reason}" if reason else "")

    def _shown(self, spec: SyncSpec) -> dict[str, str] | None:
        """What SHOW STREAMS tells of the sync's stream."""
        name = self.staging.named("stream", spec.name)
        listed = f"SHOW STREAMS LIKE {literal(_pattern(name))} IN SCHEMA {self.staging.schema}"
        found = self.staging.session.shown(listed)
        return next((row for row in found if row["name"] == name), None)

    def moved(self, spec: SyncSpec, stream: str, bucket: str, parameters: Mapping[str, object]) -> None:
        """Move what the stream tells into the table of buckets; this advances the stream, or neither happens."""
        has_data = self.staging.session.rows(f"SELECT SYSTEM$STREAM_HAS_DATA({literal(stream)})")[0][0]
        if str(has_data).lower() == "true":
            self.staging.session.execute(
                f"INSERT INTO {self.buckets(spec)} SELECT DISTINCT {bucket} FROM {stream}", parameters
            )

    def covers(self, spec: SyncSpec) -> bool:
        """Whether the buckets in the table are all that need a look."""
        sql = f"SELECT COUNT(*) FROM {self.buckets(spec)} WHERE {BUCKET} = {EVERYTHING}"
        return not self.staging.session.rows(sql)[0][0]

    def look_at_everything(self, spec: SyncSpec) -> None:
        """Ask for a look at all buckets, whatever the stream tells."""
        table = self.buckets(spec)
        self.staging.session.execute(f"CREATE TABLE IF NOT EXISTS {table} ({BUCKET} BIGINT)")
        self.ask(spec)

    def ask(self, spec: SyncSpec) -> None:
        """The same, where the table is there: as a part of the transaction that is open."""
        self.staging.session.execute(f"INSERT INTO {self.buckets(spec)} SELECT {EVERYTHING}")

    def looked(self, spec: SyncSpec) -> None:
        """Every bucket of the table was looked at; as a part of the transaction that commits the run."""
        self.staging.session.execute(f"DELETE FROM {self.buckets(spec)} WHERE TRUE")

    def there(self, spec: SyncSpec) -> bool:
        """Whether buckets are kept for the sync."""
        return self.staging.exists("buckets", spec.name)

    def give_up(self, spec: SyncSpec) -> None:
        """Drop the table of buckets, and then the stream: a stream alone covers nothing."""
        if self.there(spec):
            self.staging.session.finally_drop(self.buckets(spec))
        if self._shown(spec):
            self.staging.session.finally_run(f"DROP STREAM IF EXISTS {self.name(spec)}")


def _pattern(name: str) -> str:
    """A LIKE pattern that finds the name; what else it finds is left out afterwards."""
    return "".join("_" if letter in "%_\\'\"" else letter for letter in name)


def _useless(found: dict[str, str], source: str) -> str:
    """Why a stream can tell of nothing any more; empty where it can."""
    if found.get("comment") != source:
        return "the sync reads another table than before"
    if str(found.get("stale", "false")).lower() == "true":
        reason = found.get("invalid_reason") or ""
        told = "" if reason in ("", "N/A", "None") else f", {reason}"
        return (
            f"its stream went stale (its changes were kept until {found.get('stale_after')}{told}): run the sync more "
            "often, or raise DATA_RETENTION_TIME_IN_DAYS of the table, unless the table was made anew"
        )
    return ""


def _mend(table: Table, source: str) -> str:
    kind = "the tables below the view" if table.is_view else f"table {source}"
    return f"run  ALTER TABLE ... SET CHANGE_TRACKING = TRUE  on {kind}, or set streams: off"
