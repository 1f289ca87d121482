"""A record batch made ready for SQL, and its pattern: everything about its contents that decides the SQL.

Source columns are renamed `c0`, `c1`, … so that no name can clash or need care; control columns keep their names.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import pyarrow as pa
import pyarrow.compute as pc

from mixpanel_wh.engine import batches
from mixpanel_wh.engine.texts import texts
from mixpanel_wh.mixpanel.records.broken import REASON, without_broken
from mixpanel_wh.mixpanel.records.columns import Shape, is_plain_text, prepare
from mixpanel_wh.mixpanel.records.settled import bounds, settled
from mixpanel_wh.mixpanel.rules import EARLIEST_MS, FUTURE_MS, IDENTITY_EVENTS, JUNK_IDS, NAME_LENGTH

TEXT_CONTROLS = (
    batches.KEY, batches.OP, batches.FAULT, batches.EVENT, batches.USER, batches.DEVICE, batches.OLD_KEY,
    batches.OLD_EVENT, batches.OLD_USER, batches.OLD_DEVICE,
)  # fmt: skip
TIME_CONTROLS = (batches.TIME, batches.OLD_TIME)
_NOBODY = (batches.USER, batches.DEVICE, batches.OLD_USER, batches.OLD_DEVICE)
_WRITTEN = (*_NOBODY, batches.EVENT, batches.OLD_EVENT)
_JUNK = texts(JUNK_IDS)
_IDENTITY_EVENTS = texts(IDENTITY_EVENTS)
BAD_COLUMN, BAD_REASON, MEMBERS = "_mp_bad_column", "_mp_bad_reason", "_mp_members"


@dataclass(frozen=True)
class Pattern:
    """What decides the SQL of a batch.

    `columns` are (source column, shape) pairs; column i is `c{i}` in SQL. `present` are control columns that hold a
    value, `nulls` those of them that also hold NULLs, `plain` those whose text needs no escaping, `odd` those with a
    value that Mixpanel refuses. `changes` says that there are updates or deletes. `latest` is the last time in ms that
    Mixpanel takes, None where every time is surely fine. `bad` says that some rows are found bad already. `members`
    is the largest number of properties that the JSON column adds to a row.
    """

    columns: tuple[tuple[str, Shape], ...]
    present: frozenset[str]
    nulls: frozenset[str]
    plain: frozenset[str] = frozenset()
    odd: frozenset[str] = frozenset()
    changes: bool = False
    latest: int | None = None
    bad: bool = False
    members: int = 0

    def sql_of(self, column: str) -> str:
        """The SQL name of a source column."""
        return next(f"c{i}" for i, (name, _) in enumerate(self.columns) if name == column)

    def nullable(self, control: str) -> bool:
        """Whether a control column is NULL in some row."""
        return control in self.nulls or control not in self.present


@dataclass
class Prepared:
    """A batch ready for SQL: arrays by their SQL names, and the pattern so far."""

    rows: int
    arrays: dict[str, pa.Array]
    shapes: dict[str, Shape]
    present: set[str] = field(default_factory=set)
    nulls: set[str] = field(default_factory=set)
    plain: set[str] = field(default_factory=set)
    odd: set[str] = field(default_factory=set)
    refused: dict[int, tuple[str | None, str]] = field(default_factory=dict)
    changes: bool = False
    latest: int | None = None
    members: int = 0

    @property
    def pattern(self) -> Pattern:
        """The pattern, as a value."""
        columns = tuple(self.shapes.items())
        return Pattern(
            columns, frozenset(self.present), frozenset(self.nulls), frozenset(self.plain), frozenset(self.odd),
            self.changes, self.latest, bool(self.refused), self.members,
        )  # fmt: skip

    @property
    def table(self) -> pa.Table:
        """The arrays as a table, with the rows refused so far marked."""
        arrays = dict(self.arrays)
        if self.refused:
            for name, place in ((BAD_COLUMN, 0), (BAD_REASON, 1)):
                marks = [self.refused[row][place] if row in self.refused else None for row in range(self.rows)]
                arrays[name] = pa.array(marks, pa.string())
        return pa.table(arrays)

    def refuse(self, rows: Iterable[int], column: str | None, reason: str) -> None:
        """Note rows that cannot be sent; the first reason of a row stays."""
        for row in rows:
            self.refused.setdefault(row, (column, reason))

    def replace_column(self, column: str, array: pa.Array, form: str) -> None:
        """Put another array in place of a source column; `form` says what it holds."""
        self.arrays[self.sql_of(column)] = array
        self.shapes[column] = replace(self.shapes[column], type=array.type, nulls=array.null_count > 0, form=form)

    def sql_of(self, column: str) -> str:
        """The SQL name of a source column."""
        return f"c{list(self.shapes).index(column)}"


def prepared(batch: pa.RecordBatch, wanted: Sequence[str], origins: Mapping[str, str | None]) -> Prepared:
    """The control columns and the `wanted` source columns of a batch, ready for SQL; `origins` are the source columns
    that control columns stand for."""
    made = Prepared(batch.num_rows, {}, {})
    names = set(batch.schema.names)
    for control in (*TEXT_CONTROLS, *TIME_CONTROLS):
        if control in names:
            _add_control(made, control, batch.column(control), origins.get(control))
    made.changes = batches.OP in made.present and bool(pc.any(pc.not_equal(made.arrays[batches.OP], "insert")).as_py())
    made.latest = _latest(made)
    for column in wanted:
        array, shape, broken = prepare(batch.column(column))
        made.refuse(broken, column, REASON)
        made.arrays[f"c{len(made.shapes)}"] = array
        made.shapes[column] = shape
    return made


def _add_control(made: Prepared, control: str, array: pa.Array, origin: str | None) -> None:
    kind = pa.int64() if control in TIME_CONTROLS else pa.string()
    array, broken = without_broken(array if array.type == kind else settled(array).cast(kind))
    made.refuse(broken, origin, REASON)
    if control in _NOBODY:
        array = _without_empty(array)
    made.arrays[control] = array
    if array.null_count < len(array):
        made.present.add(control)
    if array.null_count:
        made.nulls.add(control)
    if control in _WRITTEN and is_plain_text(array):
        made.plain.add(control)
    if control in (batches.USER, batches.DEVICE, batches.EVENT) and _is_odd(control, array):
        made.odd.add(control)


def _is_odd(control: str, array: pa.Array) -> bool:
    """Whether some value is one that Mixpanel refuses in that place; a look at each that costs less than a rule."""
    if control != batches.EVENT:
        return bool(pc.any(pc.is_in(array, value_set=_JUNK)).as_py())
    shortest, longest = bounds(pc.binary_length(array))
    fits = shortest is None or (shortest > 0 and longest <= NAME_LENGTH)
    return not fits or bool(pc.any(pc.is_in(array, value_set=_IDENTITY_EVENTS)).as_py())


def _without_empty(array: pa.Array) -> pa.Array:
    """An empty id names nobody, as NULL does."""
    if pc.min(pc.binary_length(array)).as_py() != 0:
        return array
    return pc.if_else(pc.equal(array, ""), None, array)


def _latest(made: Prepared) -> int | None:
    """The last time that Mixpanel takes, where some row is not surely within its bounds."""
    if batches.TIME not in made.present:
        return None
    low, high = bounds(made.arrays[batches.TIME])
    latest = int(time.time() * 1000) + FUTURE_MS
    return latest if low < EARLIEST_MS or high > latest else None
