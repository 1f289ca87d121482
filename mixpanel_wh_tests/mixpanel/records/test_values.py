"""Values: what each warehouse type becomes in JSON, at the corners where digits or moments are easily lost."""

from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from mixpanel_wh_tests.mixpanel.records.examples import sync, write

NEW_YORK = "America/New_York"


def values_of(array: pa.Array, zone: str = "UTC") -> list[Any]:
    """What every row of a column becomes, alone and inside a list, which must be the same; None where it is absent."""
    lists = pa.ListArray.from_arrays(list(range(len(array) + 1)), array)
    written = write({"x": array, "inside": lists}, sync(timezone=zone))
    found = [row[0]["properties"] for row in written.records if row]
    assert [row.get("x") for row in found] == [row["inside"][0] for row in found]
    return [row.get("x") for row in found]


def stored(kind: pa.DataType, *numbers: int | None) -> pa.Array:
    """Values given as the numbers that Arrow stores."""
    return pa.array(numbers, pa.int64() if kind.bit_width == 64 else pa.int32()).view(kind)


@pytest.mark.parametrize(("kind", "texts"), [
    (pa.decimal128(5, 2), ["1.50", "-0.01", "999.99"]), (pa.decimal128(2, 2), ["0.50", "-0.25", "0.00"]),
    (pa.decimal128(38, 38), ["0.1", "-0.00000000000000000000000000000000000001"]), (pa.decimal32(4, 4), ["0.0001"]),
    (pa.decimal64(18, 6), ["123456789012.123456"]), (pa.decimal256(76, 40), ["123456789.0000000000000000000000000000000001"]),
])  # fmt: skip
def test_decimals_keep_every_digit(kind: pa.DataType, texts: list[str]) -> None:
    assert values_of(pa.array([Decimal(text) for text in texts], kind)) == [Decimal(text) for text in texts]


@pytest.mark.parametrize("kind", [pa.decimal64(18, 0), pa.decimal128(38, 0), pa.decimal256(60, 0)])
def test_whole_decimals_beyond_a_double_are_text(kind: pa.DataType) -> None:
    assert values_of(pa.array([Decimal(2**53), Decimal(2**53 + 1)], kind)) == [2**53, str(2**53 + 1)]


@pytest.mark.parametrize("kind", [pa.decimal64(12, -2), pa.decimal128(9, -2), pa.decimal128(38, -2), pa.decimal256(50, -2)])
def test_decimals_of_negative_scale_are_whole_numbers(kind: pa.DataType) -> None:
    assert values_of(pa.array([Decimal("12300"), Decimal("-100")], kind)) == [12300, -100]


def test_floats_are_the_same_double_and_nan_and_infinities_are_absent() -> None:
    numbers = [0.1, -0.0, 5e-324, 1.7976931348623157e308, float("nan"), float("inf"), -float("inf")]
    found = values_of(pa.array(numbers))
    assert [None if one is None else float(one) for one in found] == [*numbers[:4], None, None, None]
    assert str(found[1]).startswith("-")
    assert values_of(pa.array([1.5, float("nan")], pa.float16())) == [Decimal("1.5"), None]


@pytest.mark.parametrize("tz", [None, "UTC", NEW_YORK, "+05:30"])
@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_moments_are_iso_8601_in_utc_whatever_their_zone_and_unit(unit: str, tz: str | None) -> None:
    per = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    fraction = {"s": "", "ms": ".999", "us": ".999999", "ns": ".999999999"}[unit]
    found = values_of(stored(pa.timestamp(unit, tz), 0, -1, 1_700_000_000 * per))
    assert found == ["1970-01-01T00:00:00Z", f"1969-12-31T23:59:59{fraction or ''}Z", "2023-11-14T22:13:20Z"]


def test_moments_without_a_zone_are_read_in_the_zone_of_the_sync() -> None:
    summer, winter = 1_720_000_000, 1_705_000_000
    assert values_of(stored(pa.timestamp("s"), summer, winter), NEW_YORK) == ["2024-07-03T13:46:40Z", "2024-01-12T00:06:40Z"]
    assert values_of(stored(pa.timestamp("s", "UTC"), summer), NEW_YORK) == ["2024-07-03T09:46:40Z"]


def test_a_time_that_comes_twice_is_the_later_and_one_left_out_moves_on() -> None:
    twice, skipped = 1_730_597_400, 1_710_037_800  # 2024-11-03 01:30 and 2024-03-10 02:30
    assert values_of(stored(pa.timestamp("s"), twice, skipped), NEW_YORK) == ["2024-11-03T06:30:00Z", "2024-03-10T07:30:00Z"]


def test_nanoseconds_are_cut_and_not_rounded_where_a_zone_applies() -> None:
    array = stored(pa.timestamp("ns"), -1, 999, 1_999, -1_001)
    assert values_of(array, "Asia/Kolkata") == [
        "1969-12-31T18:29:59.999999Z", "1969-12-31T18:30:00Z", "1969-12-31T18:30:00.000001Z", "1969-12-31T18:29:59.999998Z",
    ]  # fmt: skip


@pytest.mark.parametrize("unit", ["s", "ms", "us"])
def test_moments_outside_of_the_years_1_to_9999_are_absent(unit: str) -> None:
    per = {"s": 1, "ms": 10**3, "us": 10**6}[unit]
    first, last = -62_135_596_800 * per, 253_402_300_799 * per
    array = stored(pa.timestamp(unit), first, last, first - 1, last + per, 2**63 - 1, -(2**63))
    assert values_of(array) == ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", None, None, None, None]
    assert values_of(array, NEW_YORK) == ["0001-01-01T04:56:02Z", None, None, None, None, None]
    assert values_of(array, "Asia/Kolkata")[:2] == [None, "9999-12-31T18:29:59Z"]


def test_infinite_nanoseconds_are_absent() -> None:
    array = stored(pa.timestamp("ns"), 2**63 - 1, 1 - 2**63, 2**63 - 2)
    assert values_of(array) == [None, None, "2262-04-11T23:47:16.854775806Z"]


def test_dates_are_iso_8601_and_infinite_ones_are_absent() -> None:
    assert values_of(stored(pa.date32(), 0, -719_162, 2_932_896, -719_163, 2_932_897, 2**31 - 1, -(2**31))) == [
        "1970-01-01", "0001-01-01", "9999-12-31", None, None, None, None]  # fmt: skip
    assert values_of(stored(pa.date64(), 86_400_000, -1, 2**63 - 1)) == ["1970-01-02", "1969-12-31", None]


def test_times_of_day_have_only_the_digits_they_need() -> None:
    array = stored(pa.time64("us"), 0, 1, 500_000, 86_399_999_999, 86_400_000_000)
    assert values_of(array) == ["00:00:00", "00:00:00.000001", "00:00:00.5", "23:59:59.999999", "24:00:00"]


def test_times_outside_of_a_day_are_absent_and_stop_nothing() -> None:
    assert values_of(stored(pa.time32("s"), -1, 86_401, 5)) == [None, None, "00:00:05"]
    assert values_of(stored(pa.time64("ns"), -1, 2**62, 5)) == [None, None, "00:00:00.000000005"]


def test_durations_are_seconds() -> None:
    assert values_of(stored(pa.duration("ns"), 1_500_000_000, -1, None)) == [Decimal("1.5"), Decimal("-1e-9"), None]


def test_binary_is_base64_in_every_layout() -> None:
    for kind in (pa.binary(), pa.large_binary(), pa.binary_view(), pa.binary(2)):
        assert values_of(pa.array([b"\x00\xff", None], kind)) == ["AP8=", None]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())])
def test_text_comes_through_whole_in_every_layout(kind: pa.DataType) -> None:
    texts = ['say "hi"', "back\\slash", "\x00\x1f\x7f", "é😀\u2028", "", None]
    array = pa.array(texts, pa.string())
    assert values_of(array.dictionary_encode() if pa.types.is_dictionary(kind) else array.cast(kind)) == texts


def test_a_dictionary_with_null_in_it_is_null_there() -> None:
    dictionary = pa.DictionaryArray.from_arrays(pa.array([0, 1, None], pa.int8()), pa.array(["a", None]))
    assert values_of(dictionary) == ["a", None, None]


def test_runs_are_their_values() -> None:
    runs = pa.RunEndEncodedArray.from_arrays(pa.array([2, 3], pa.int32()), pa.array([2**60, None]))
    found = write({"x": runs}).records
    assert [row[0]["properties"].get("x") for row in found if row] == [str(2**60), str(2**60), None]


def test_objects_keep_their_fields_and_the_last_of_a_name_counts() -> None:
    array = pa.StructArray.from_arrays([pa.array([1]), pa.array([0.5]), pa.array([2])], names=["a", "A", "a"])
    assert values_of(array) == [{"a": 2, "A": Decimal("0.5")}]
    assert values_of(pa.array([{}, None], pa.struct([]))) == [{}, None]


def test_maps_are_objects_without_null_keys_and_the_last_of_a_key_counts() -> None:
    keys, items = pa.array(["a", 'q"', "a", None]), pa.array([1, None, 3, 4])
    assert values_of(pa.MapArray.from_arrays([0, 4], keys.fill_null("a"), items)) == [{"a": 4, 'q"': None}]
    entries = pa.MapArray.from_arrays([0, 1, 2], pa.array([7, 8]), pa.array(["x", "y"]))
    assert values_of(entries) == [{"7": "x"}, {"8": "y"}]


def test_a_slice_of_a_column_is_only_that_slice() -> None:
    maps = pa.array([[("a", 1)], [("b", 2)], None, [("c", 3), ("d", 4)]], pa.map_(pa.string(), pa.int64()))
    assert values_of(maps.slice(1, 3)) == [{"b": 2}, None, {"c": 3, "d": 4}]
    views = pa.array([[1.5], None, [2.5, float("nan")], []], pa.list_view(pa.float64()))
    assert values_of(views.slice(1)) == [None, [Decimal("2.5"), None], []]


def uuid_lists() -> list[pa.Array]:
    """Lists of one uuid or none, NULL in the middle, in every layout; Arrow itself cannot flatten all of them."""
    ids = pa.ExtensionArray.from_storage(pa.uuid(), pa.array([bytes([i] * 16) for i in (1, 2, 3)], pa.binary(16)))
    starts, ends, sizes, gone = [0, 1, 2], [0, 1, 2, 3], [1, 1, 1], pa.array([False, True, False])
    return [
        pa.ListArray.from_arrays(ends, ids, mask=gone),
        pa.LargeListArray.from_arrays(ends, ids, mask=gone),
        pa.FixedSizeListArray.from_arrays(ids, 1, mask=gone),
        pa.ListViewArray.from_arrays(starts, sizes, ids, mask=gone),
        pa.LargeListViewArray.from_arrays(starts, sizes, ids, mask=gone),
    ]


@pytest.mark.parametrize("array", uuid_lists(), ids=lambda array: type(array).__name__)
def test_uuids_in_lists_are_text_in_every_layout(array: pa.Array) -> None:
    first, last = "01010101-0101-0101-0101-010101010101", "03030303-0303-0303-0303-030303030303"
    assert values_of(array) == [[first], None, [last]]
    assert values_of(array.slice(1)) == [None, [last]]


def test_views_may_overlap_and_stand_in_any_order() -> None:
    values = pa.array([0.5, float("nan"), 1.5])
    views = pa.ListViewArray.from_arrays([1, 0, 2, 3], [2, 2, 1, 0], values)
    assert values_of(views) == [[None, Decimal("1.5")], [Decimal("0.5"), None], [Decimal("1.5")], []]


def test_a_column_of_nothing_is_absent() -> None:
    assert values_of(pa.nulls(2)) == [None, None]
