"""What a sync selects from its table: control columns, the columns that are sent, and the content that is hashed.

The content of a row is every value that reaches Mixpanel, tagged with the name it is sent under, length-delimited,
NULLs left out. Adding an empty column, reordering columns or widening a type therefore changes no row's hash,
and renaming a property changes all of them.
"""

from dataclasses import dataclass
from difflib import get_close_matches

from mixpanel_wh.engine import batches
from mixpanel_wh.engine.errors import SourceError
from mixpanel_wh.engine.ports import Column, Table
from mixpanel_wh.engine.spec import Mode, RecordType, SyncSpec
from mixpanel_wh.warehouses.dialect import Dialect, Kind

CONTENT_VERSION = "1"


def sent_columns(spec: SyncSpec, table: Table) -> list[Column]:
    """The columns sent as properties, with their types."""
    sent = set(spec.sent_columns([column.name for column in table.columns]))
    return [column for column in table.columns if column.name in sent]


@dataclass(frozen=True)
class Projection:
    """SQL expressions over the columns of one source table."""

    spec: SyncSpec
    table: Table
    dialect: Dialect

    @property
    def source(self) -> str:
        """The table, quoted."""
        return ".".join(self.dialect.quote(part) for part in self.table.name.parts)

    def column(self, name: str) -> Column:
        """A column of the table by name; SourceError when the table has none of that name."""
        found = next((column for column in self.table.columns if column.name == name), None)
        if found is None:
            raise SourceError(f"sync {self.spec.name}: {self.table.name} has no column {name}{self._nearest(name)}")
        return found

    def _nearest(self, name: str) -> str:
        names = [column.name for column in self.table.columns]
        close = get_close_matches(name, names, n=1)
        return f"; did you mean {close[0]}?" if close else f": it has {', '.join(names[:12])}"

    def _text(self, name: str | None) -> str:
        if name is None:
            return f"CAST(NULL AS {self.dialect.text_type})"
        return self.dialect.text(self.dialect.quote(name), self.dialect.kind(self.column(name)))

    @property
    def payload(self) -> list[Column]:
        """The columns that travel to the encoder beside the control columns."""
        spec = self.spec
        extra = {name for name in (spec.json_column, spec.ip_column, *spec.group_keys) if name}
        sent = {column.name for column in sent_columns(spec, self.table)}
        return [column for column in self.table.columns if column.name in sent | extra]

    @property
    def identity(self) -> list[tuple[str, str]]:
        """(control column, expression) pairs of the fields that Mixpanel tells records apart by."""
        if self.spec.record is not RecordType.EVENT:
            return [(batches.USER, self._text(self.spec.id_column))]
        spec, quote = self.spec, self.dialect.quote
        name = self._text(spec.event_column) if spec.event_column else self.dialect.parameter("event")
        moment = "CAST(NULL AS BIGINT)"
        if spec.time_column:
            moment = self.dialect.epoch_ms(quote(spec.time_column), self.dialect.kind(self.column(spec.time_column)))
        user = self._text(spec.distinct_id or spec.user_id)
        return [
            (batches.EVENT, name),
            (batches.TIME, moment),
            (batches.USER, user),
            (batches.DEVICE, self._text(spec.device_id)),
        ]

    @property
    def parameters(self) -> dict[str, str]:
        """The parameters that these expressions read."""
        return {"event": self.spec.event_name or "", "timezone": self.spec.timezone}

    @property
    def key(self) -> str | None:
        """The row key as one text, NULL when any part of it is; None when rows have no key."""
        names = self.spec.key_columns
        if len(names) < 2:
            return self._text(names[0]) if names else None
        parts = [self.dialect.tagged("", self.dialect.quote(name), self._kind(name)) for name in names]
        return " || ".join(parts)

    def _kind(self, name: str) -> Kind:
        return self.dialect.kind(self.column(name))

    @property
    def content(self) -> str:
        """Everything that is sent of a row, as one text."""
        spec, dialect = self.spec, self.dialect
        tags = {column.name: "p:" + spec.properties.rename.get(column.name, column.name)
                for column in sent_columns(spec, self.table)}  # fmt: skip
        tags |= {name: f"g:{key}" for name, key in spec.group_keys.items()}
        tags |= {name: tag for name, tag in ((spec.json_column, "j"), (spec.ip_column, "i")) if name}
        named = sorted(((name, self._told_apart(name, tag)) for name, tag in tags.items()), key=lambda pair: pair[1])
        parts = [self._part(name, tag) for name, tag in named]
        kinds = {batches.TIME: Kind.INTEGER}
        identity = [dialect.tagged(f"{alias}=", sql, kinds.get(alias, Kind.TEXT)) for alias, sql in self.identity]
        places = [dialect.literal(f"k={len(name)}:{name};") for name in (spec.group_key, spec.lookup_table_id) if name]
        return dialect.joined([*places, *identity, *parts])

    def _told_apart(self, name: str, tag: str) -> str:
        """The tag of a column, with what decides how one value of it is sent: hashed or not, and in which zone."""
        kind, zone = self._kind(name), self.spec.timezone
        zoned = kind in (Kind.TIMESTAMP, Kind.TIMESTAMP_NS, Kind.NESTED) and zone != "UTC"
        return f"{'h' if name in self.spec.properties.hash else ''}{tag}{'@' + zone if zoned else ''}"

    def _part(self, name: str, tag: str) -> str:
        """A column's part of the content; its NULL is a part as well where NULLs are sent."""
        part = self.dialect.tagged(f"{tag}=", self.dialect.quote(name), self._kind(name))
        if not self.spec.properties.send_nulls:
            return part
        return f"COALESCE({part}, {self.dialect.literal(f'{tag}=~;')})"

    @property
    def raw_columns(self) -> list[str]:
        """Every source column that the sync depends on, as fast hashes take it."""
        names = {column.name for column in self.payload} | set(self.spec.role_columns) | set(self.spec.key_columns)
        return [self.dialect.hashable(column) for column in self.table.columns if column.name in names]

    @property
    def key_columns(self) -> list[str]:
        """The columns of the row key, as fast hashes take them."""
        return [self.dialect.hashable(self.column(name)) for name in self.spec.key_columns]

    @property
    def bucket_columns(self) -> list[str]:
        """What decides a row's bucket, as fast hashes take it. Rows without a row key whose content is equal are told
        apart by counting them, so they must share a bucket: of the moment only the milliseconds count, as there."""
        spec = self.spec
        if spec.key_columns or spec.time_column is None or spec.record is not RecordType.EVENT:
            return self.key_columns or self.raw_columns
        moment = next(sql for alias, sql in self.identity if alias == batches.TIME)
        sent = {column.name for column in self.payload}
        alone = {self.dialect.hashable(self.column(spec.time_column))} if spec.time_column not in sent else set()
        return [*(column for column in self.raw_columns if column not in alone), moment]

    @property
    def signature(self) -> str:
        """Differs whenever the sent content may differ though no source value did; kept with a snapshot."""
        spec, raw = self.spec, set(self.raw_columns)
        types = [column.type for column in self.table.columns if self.dialect.hashable(column) in raw]
        parts = (CONTENT_VERSION, self.content, self.key, self.raw_columns, self.bucket_columns, spec.event_name,
                 spec.timezone, types)  # fmt: skip
        return repr(parts)

    def select_identity(self) -> str:
        """The identity fields as a select list."""
        return ", ".join(f"{sql} AS {alias}" for alias, sql in self.identity)

    def select_payload(self, prefix: str = "") -> str:
        """The payload columns as a select list, with a comma in front when there are any."""
        return "".join(f", {prefix}{self.dialect.quote(column.name)}" for column in self.payload)

    @property
    def needs_unique_keys(self) -> bool:
        """Whether two rows with one key would be lost: every keyed sync but profiles that are only set."""
        profile = self.spec.record in (RecordType.USER, RecordType.GROUP)
        return bool(self.spec.key_columns) and not (profile and self.spec.mode is not Mode.MIRROR)
