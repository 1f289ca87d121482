"""Random Arrow arrays of every type and layout, and random JSON texts, good and bad."""

import itertools
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

HUGE = 1_200_000
TEXTS = [
    "", " ", "a", "Jane Doe", 'say "hi"', "back\\slash", "tab\tnl\ncr\r", "\x00", "\x01\x1f\x7f", "emoji 😀 é", "\u2028\u2029",
    "\ufeffbom", "0", "null", "true", "-1", "https://example.com/a//b?c={d}", "'quote'", "a,b", "x" * 300, "\uffff",
]  # fmt: skip
ZONES = ["UTC", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Europe/London"]
Draw = Callable[[st.SearchStrategy[Any]], Any]

texts = st.one_of(st.sampled_from(TEXTS), st.text(st.characters(exclude_categories=["Cs"]), max_size=12))
edges = st.sampled_from(
    [0, 1, -1, 2**53, 2**53 + 1, -(2**53), -(2**53) - 1, 2**63 - 1, -(2**63), -(2**63) + 1, 2**31 - 1]
)
int64s = st.one_of(edges, st.integers(-(2**63), 2**63 - 1))
floats = st.one_of(
    st.sampled_from(
        [0.0, -0.0, 0.1, 5e-324, 1.7976931348623157e308, 1e16, 1e22, float("nan"), float("inf"), -float("inf")]
    ),
    st.floats(),
)


def column(draw: Draw, rows: int, depth: int = 2) -> pa.Array:
    """An array of `rows` values of any type; lists and the like at most `depth` deep."""
    makers = [leaf, leaf, encoded, *([listed, structured, mapped] if depth else [])]
    return draw(st.sampled_from(makers))(draw, rows, depth)


def leaf(draw: Draw, rows: int, depth: int = 0) -> pa.Array:
    """An array of a type without parts."""
    return draw(st.sampled_from(LEAVES))(draw, rows)


def _values(draw: Draw, rows: int, values: st.SearchStrategy[Any]) -> list[Any]:
    some = st.one_of(values, values, values, st.none()) if draw(st.booleans()) else values
    listed: list[Any] = draw(st.lists(some, min_size=rows, max_size=rows))
    return listed


def _of(kind: pa.DataType, values: st.SearchStrategy[Any]) -> Callable[[Draw, int], pa.Array]:
    return lambda draw, rows: pa.array(_values(draw, rows, values), kind)


def _viewed(kind: pa.DataType, stored: pa.DataType, values: st.SearchStrategy[Any]) -> Callable[[Draw, int], pa.Array]:
    """Values given as the numbers that Arrow stores, in range or not."""
    return lambda draw, rows: pa.array(_values(draw, rows, values), stored).view(kind)


def _decimals(kind: pa.DataType) -> Callable[[Draw, int], pa.Array]:
    """Decimals given as the whole numbers that Arrow stores."""
    most = 10**kind.precision - 1
    whole = {32: pa.decimal32, 64: pa.decimal64, 128: pa.decimal128, 256: pa.decimal256}[kind.bit_width](
        kind.precision, 0
    )
    digits = st.one_of(st.integers(-most, most), st.sampled_from([0, 1, -1, most, -most])).map(Decimal)
    return lambda draw, rows: _retyped(pa.array(_values(draw, rows, digits), whole), kind)


def _retyped(array: pa.Array, kind: pa.DataType) -> pa.Array:
    return pa.Array.from_buffers(kind, len(array), array.buffers())


def _extension(kind: pa.DataType, values: st.SearchStrategy[Any]) -> Callable[[Draw, int], pa.Array]:
    return lambda draw, rows: pa.ExtensionArray.from_storage(
        kind, pa.array(_values(draw, rows, values), kind.storage_type)
    )


def _moments(unit: str) -> st.SearchStrategy[int]:
    per = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    first, last = -62_135_596_800 * per, 253_402_300_800 * per - 1
    ends = [
        0,
        -1,
        first,
        first - 1,
        last,
        last + 1,
        first + 3600 * per,
        last - 3600 * per,
        2**63 - 1,
        1 - 2**63,
        -(2**63),
    ]
    dst = [per * second for second in (1_710_037_800, 1_710_041_400, 1_730_594_700, 1_730_597_400, -2_000_000_000)]
    known = [value for value in ends + dst if -(2**63) <= value < 2**63]
    usual = st.integers(-6_000_000_000, 10_000_000_000).map(lambda second: second * per + second % per)
    return st.one_of(st.sampled_from(known), usual.filter(lambda value: -(2**63) < value < 2**63), int64s)


_WIDTHS = {"s": pa.int32(), "ms": pa.int32(), "us": pa.int64(), "ns": pa.int64()}
_TIMES = {unit: pa.time32(unit) if unit in ("s", "ms") else pa.time64(unit) for unit in _WIDTHS}
_PER = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
LEAVES: list[Callable[[Draw, int], pa.Array]] = [
    *(_of(kind, texts) for kind in (pa.string(), pa.string(), pa.large_string(), pa.string_view())),
    *(_of(kind, st.binary(max_size=9)) for kind in (pa.binary(), pa.large_binary(), pa.binary_view())),
    _of(pa.binary(3), st.binary(min_size=3, max_size=3)),
    _of(pa.bool_(), st.booleans()),
    *(_of(kind, st.integers(-(2 ** (kind.bit_width - 1)), 2 ** (kind.bit_width - 1) - 1))
      for kind in (pa.int8(), pa.int16(), pa.int32())),
    *(_of(kind, st.integers(0, 2**kind.bit_width - 1)) for kind in (pa.uint8(), pa.uint16(), pa.uint32())),
    _of(pa.int64(), int64s),
    _of(pa.uint64(), st.one_of(st.integers(0, 2**64 - 1), edges.map(abs))),
    _of(pa.float64(), floats),
    _of(pa.float32(), st.one_of(st.floats(width=32), st.sampled_from([-0.0, 0.5, 1e-45]))),
    _of(pa.float16(), st.floats(width=16)),
    *(_decimals(kind) for kind in (
        pa.decimal32(9, 2), pa.decimal32(5, 0), pa.decimal64(18, 0), pa.decimal64(18, 6), pa.decimal64(12, -3),
        pa.decimal128(38, 0), pa.decimal128(38, 10), pa.decimal128(38, 38), pa.decimal128(9, -2), pa.decimal128(38, -4),
        pa.decimal256(20, 0), pa.decimal256(76, 0), pa.decimal256(76, 40), pa.decimal256(30, -5),
    )),
    _viewed(pa.date32(), pa.int32(), st.one_of(st.integers(-800_000, 3_000_000), st.integers(-(2**31), 2**31 - 1))),
    _viewed(pa.date64(), pa.int64(), st.one_of(_moments("ms"), st.integers(-9, 9).map(lambda day: day * 86_400_000))),
    *(_viewed(_TIMES[unit], _WIDTHS[unit], st.one_of(
        st.integers(0, 86_400 * _PER[unit]), st.sampled_from([-1, 86_400 * _PER[unit], 86_400 * _PER[unit] + 1])))
      for unit in _WIDTHS),
    *(_viewed(pa.timestamp(unit, zone), pa.int64(), _moments(unit))
      for unit in _PER for zone in (None, None, "UTC", "America/New_York", "+05:30")),
    *(_viewed(pa.duration(unit), pa.int64(), int64s) for unit in _PER),
    _of(pa.month_day_nano_interval(), st.tuples(
        st.integers(-(2**31) + 1, 2**31 - 1), st.integers(-(2**31) + 1, 2**31 - 1), int64s)),
    _extension(pa.uuid(), st.binary(min_size=16, max_size=16)),
    _extension(pa.bool8(), st.integers(-1, 1)),
    _extension(pa.json_(), st.sampled_from(['{"a": 1}', "[]"])),
    lambda draw, rows: pa.nulls(rows),
]  # fmt: skip


def encoded(draw: Draw, rows: int, depth: int = 0) -> pa.Array:
    """A dictionary (perhaps with NULL in it) or runs, over an array without parts."""
    if draw(st.booleans()):
        dictionary = leaf(draw, 3)
        places = st.one_of(st.integers(0, 2), st.none())
        if isinstance(dictionary, pa.ExtensionArray):
            dictionary = dictionary.storage
        return pa.DictionaryArray.from_arrays(pa.array(_values(draw, rows, places), pa.int8()), dictionary)
    values = draw(st.sampled_from([_of(pa.string(), texts), _of(pa.int64(), int64s), _of(pa.float64(), floats)]))(
        draw, rows
    )
    return pa.RunEndEncodedArray.from_arrays(pa.array([i + 1 for i in range(rows)], pa.int32()), values)


def _cuts(draw: Draw, rows: int, total: int) -> list[int]:
    return [0, *sorted(draw(st.lists(st.integers(0, total), min_size=rows - 1, max_size=rows - 1))), total]


def _mask(draw: Draw, rows: int) -> pa.Array | None:
    return pa.array(draw(st.lists(st.booleans(), min_size=rows, max_size=rows))) if draw(st.booleans()) else None


def listed(draw: Draw, rows: int, depth: int) -> pa.Array:
    """Lists of any layout."""
    layout = draw(st.sampled_from(["list", "large", "fixed", "view", "large view"]))
    if layout == "fixed":
        return pa.FixedSizeListArray.from_arrays(column(draw, 2 * rows, depth - 1), 2, mask=_mask(draw, rows))
    values = column(draw, rows + 1, depth - 1)
    cuts = _cuts(draw, rows, rows + 1)
    if "view" in layout:
        made = pa.ListViewArray if layout == "view" else pa.LargeListViewArray
        width = pa.int32() if layout == "view" else pa.int64()
        sizes = [end - start for start, end in itertools.pairwise(cuts)]
        order = draw(st.permutations(range(rows)))
        parts = (pa.array([numbers[i] for i in order], width) for numbers in (cuts, sizes))
        return made.from_arrays(*parts, values, mask=_mask(draw, rows))
    made = pa.LargeListArray if layout == "large" else pa.ListArray
    return made.from_arrays(
        pa.array(cuts, pa.int64() if layout == "large" else pa.int32()), values, mask=_mask(draw, rows)
    )


def structured(draw: Draw, rows: int, depth: int) -> pa.Array:
    """Structs, also with odd names, the same name twice, or no field at all."""
    names = draw(st.lists(st.sampled_from(["a", "b", "A", "", 'q"\n', "a"]), max_size=3))
    if not names:
        mask = _mask(draw, rows)
        return pa.array([None if mask and mask[i].as_py() else {} for i in range(rows)], pa.struct([]))
    values = [column(draw, rows, depth - 1) for _ in names]
    return pa.StructArray.from_arrays(values, names=names, mask=_mask(draw, rows))


def mapped(draw: Draw, rows: int, depth: int) -> pa.Array:
    """Maps with text or number keys, some of them twice."""
    entries = rows + 2
    keys = draw(st.sampled_from([
        pa.array(draw(st.lists(st.sampled_from(["a", "b", 'c"', ""]), min_size=entries, max_size=entries))),
        pa.array(draw(st.lists(st.integers(-2, 2), min_size=entries, max_size=entries)), pa.int32()),
    ]))  # fmt: skip
    cuts = pa.array(_cuts(draw, rows, entries), pa.int32())
    return pa.MapArray.from_arrays(cuts, keys, column(draw, entries, depth - 1), mask=_mask(draw, rows))


_keys = st.sampled_from(
    ["a", "b", "c", "time", "$insert_id", "x", "kept", "", "é😀", 'q"', "\u0000", "k" * 255, "k" * 256]
)
_leaves = st.one_of(
    st.none(), st.booleans(), int64s, st.integers(-(10**30), 10**30), floats, texts,
    st.sampled_from(["https://example.com//x", "3f2504e0-4f89-11d3-9a0c-0305e82c3301", "a, nan, b", "more, information"]),
)  # fmt: skip
json_values = st.recursive(
    _leaves,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(_keys, inner, max_size=4)),
    max_leaves=8,
)
ODD_JSON = [
    "", " ", "null", " \tnull\n", "NaN", " Infinity ", "-inf", "nan", "[1,]", '{"a":1,}', '{"a":1 , }', "[NaN]", '{"a": -Infinity}',
    '{"a":1e400}', '{"a":-1E+400}', "1e400", '{"a":1e22}', "1e-400", '{"a":12345678901234567890}', "9007199254740993", "-0", "-0.0",
    '{"a":1,"a":2}', '{"a":1,"\\u0061":2}', '{"b":{"a":1,"a":2}}', '[{"a":1,"a":2}]', '[1,{"a":[{"b":1,"b":2}]}]',
    '{"a":"\\ud800"}', '{"\\ud800":1,"\\ud801":2}', '{"a":"\\ud83d\\ude00"}', '{"a":1/*x*/}', '// c\n{"a":1}', "{'a':1}", "[1 2]",
    '\t{"a":1}\t', '\r\n{"a":1}\r\n', '{"a":\n1}', '{\t"a"\t:\t1\t}', "{}", " { } ", '{"a":{"b":{"c":{"d":1}}}}', '{"x":{"a":{"b":{"c":1}}}}',
    '{"a":null,"b":1}', '{"a":[null,{"b":null}]}', '"text"', '"\u2028"', '"a\nb"', '"\\u0000"', "[" * 100 + "]" * 100, "1 2",
    json.dumps(list(range(254))), json.dumps(list(range(255))), json.dumps(["x"] * 255), json.dumps([0] * 255),
    json.dumps({str(i): i for i in range(254)}), json.dumps({str(i): i for i in range(255)}), json.dumps({"a": [0] * 300}),
    json.dumps({"a": "x" * 9000}), json.dumps(["x" * 9000]), json.dumps("x" * 9000), json.dumps({"a": {"b": "x" * 8190}}),
    json.dumps({f"k{i}": i for i in range(300)}), '{"a":"1234567890123456789"}', '{"a":0.12345678901234567890}', "tru", "", " \t", '{"a":01}',
    '{"ip":1,"token":2,"distinct_id":"x","_deleted":true}', '{"x":1,"X":2}', '\ufeff{"a":1}', '{"a":1}x',
]  # fmt: skip


@st.composite
def json_texts(draw: Draw) -> str:
    """A JSON text, written in one of several ways; sometimes none at all."""
    if draw(st.integers(0, 3)) == 0:
        return str(draw(st.sampled_from(ODD_JSON)))
    indent, ascii_only = draw(st.sampled_from([None, None, 1])), draw(st.booleans())
    return json.dumps(draw(json_values), indent=indent, ensure_ascii=ascii_only)
