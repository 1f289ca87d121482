"""A record batch made ready for SQL, and its pattern: everything about its contents that decides the SQL.

Source columns are renamed `c0`, `c1`, … so that no name can clash or need care; control columns keep their names.
"""

import time
from array import array as places
from dataclasses import dataclass, field, replace
from itertools import accumulate

import pyarrow as pa
import pyarrow.compute as pc

from mixpanel_wh.engine import batches
from mixpanel_wh.mixpanel.records.columns import Shape, bounds, is_plain_text, prepare
from mixpanel_wh.mixpanel.rules import EARLIEST_MS, FUTURE_MS, IDENTITY_EVENTS, JUNK_IDS, NAME_LENGTH


def text_scalar(value: str) -> pa.Scalar:
    """An Arrow text, made without loading pandas, as `pa.scalar` would."""
    return texts((value,))[0]


def texts(values: tuple[str, ...]) -> pa.Array:
    """An Arrow array of texts, made without loading pandas, as `pa.array` would."""
    joined = "".join(values).encode()
    ends = accumulate((len(value.encode()) for value in values), initial=0)
    return pa.StringArray.from_buffers(len(values), pa.py_buffer(places("i", ends)), pa.py_buffer(joined))


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
    value that Mixpanel refuses. `changes` says that there are updates or deletes. `latest` is
    the last time in ms that Mixpanel takes, None where every time is surely fine. `crowded` says that a row might
    have more properties than it may. `bad` says that some rows are found bad already.
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
    refused: dict[int, tuple[str, str]] = field(default_factory=dict)
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

    def replace_column(self, column: str, array: pa.Array, form: str) -> None:
        """Put another array in place of a source column; `form` says what it holds."""
        self.arrays[self.sql_of(column)] = array
        self.shapes[column] = replace(self.shapes[column], type=array.type, nulls=array.null_count > 0, form=form)

    def sql_of(self, column: str) -> str:
        """The SQL name of a source column."""
        return f"c{list(self.shapes).index(column)}"


def prepared(batch: pa.RecordBatch, wanted: list[str]) -> Prepared:
    """The control columns and the `wanted` source columns of a batch, ready for SQL."""
    made = Prepared(batch.num_rows, {}, {})
    names = set(batch.schema.names)
    for control in (*TEXT_CONTROLS, *TIME_CONTROLS):
        if control in names:
            _add_control(made, control, batch.column(control))
    made.changes = batches.OP in made.present and bool(pc.any(pc.not_equal(made.arrays[batches.OP], "insert")).as_py())
    made.latest = _latest(made)
    for column in wanted:
        array, shape = prepare(batch.column(column))
        made.arrays[f"c{len(made.shapes)}"] = array
        made.shapes[column] = shape
    return made


def _add_control(made: Prepared, control: str, array: pa.Array) -> None:
    kind = pa.int64() if control in TIME_CONTROLS else pa.string()
    array = array if array.type == kind else array.cast(kind)
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
    sizes = pc.min_max(pc.binary_length(array))
    fits = (sizes["min"].as_py() or 1) >= 1 and (sizes["max"].as_py() or 1) <= NAME_LENGTH
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
