"""The encoder against the plain reference, value by value, on random batches of every Arrow type."""

import json
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mixpanel_wh.engine.spec import Identity, Mode, Properties, RecordType, SyncSpec, TableName
from mixpanel_wh.mixpanel.settings import ProjectSettings
from mixpanel_wh_tests.mixpanel.records.arrays import HUGE, LEAVES, ZONES, Draw, column, json_texts, texts
from mixpanel_wh_tests.mixpanel.records.comparing import Case

NOW = 1_700_000_000_000
STATIC = 'it\'s "static"'
SIMPLIFIED = ProjectSettings("1", "token")
ORIGINAL = ProjectSettings("1", "token", identity=Identity.ORIGINAL)
quick = settings(max_examples=60, derandomize=True, suppress_health_check=list(HealthCheck))
thorough = settings(quick, max_examples=150)
long = settings(max_examples=2_000, derandomize=False, suppress_health_check=list(HealthCheck))
many_rows = st.integers(1, 12)
several_rows = st.integers(5, 12)
people = st.one_of(st.sampled_from(["jane", 'o"brien', "", "anon", "0", "é", "x" * 300]), texts)
names = st.one_of(st.sampled_from(["Sign Up", "", "$identify", 'quo"te', "n" * 255, "n" * 256, "é" * 255]), texts)
times = st.one_of(
    st.just(NOW), st.sampled_from([0, 31_536_000_000, 31_535_999_999, 2**62, -(2**63), 4_102_444_800_000, None]))  # fmt: skip
good_people = st.sampled_from(["jane", 'o"brien', "é", "", None])
good_names = st.sampled_from(["Sign Up", 'quo"te', "é" * 255])
good_times = st.sampled_from([NOW, NOW + 1, 31_536_000_000])


def spec(record: RecordType = RecordType.EVENT, **more: Any) -> SyncSpec:
    """A sync of a table in Append mode, events named by a column unless said otherwise."""
    roles: dict[str, Any] = {
        RecordType.EVENT: {"event_column": "e", "time_column": "t", "user_id": "u", "device_id": "d"},
        RecordType.USER: {"distinct_id": "u"},
        RecordType.GROUP: {"group_id": "u", "group_key": "company"},
        RecordType.LOOKUP: {"lookup_id": "u", "lookup_table_id": "things"},
    }[record]
    return SyncSpec(
        **{"name": "s", "table": TableName(("db", "t")), "record": record, "mode": Mode.APPEND, **roles, **more}
    )


def listed(draw: Draw, rows: int, values: st.SearchStrategy[Any]) -> list[Any]:
    return list(draw(st.lists(values, min_size=rows, max_size=rows)))


def usually(draw: Draw, rows: int, good: st.SearchStrategy[Any], any_: st.SearchStrategy[Any]) -> list[Any]:
    """Values that are all good in two columns of three, so that most rows get as far as being written."""
    return listed(draw, rows, draw(st.sampled_from([good, good, any_])))


def sliced(draw: Draw, columns: dict[str, Any], rows: int) -> pa.RecordBatch:
    """The batch, or a slice of it that starts a little inside."""
    batch = pa.RecordBatch.from_arrays([
        values if isinstance(values, pa.Array) else pa.array(values, pa.int64() if name.endswith("time") else pa.string())
        for name, values in columns.items()
    ], names=list(columns))  # fmt: skip
    start = draw(st.integers(0, min(2, rows - 1)))
    return batch.slice(start, draw(st.integers(max(1, rows - start - 2), rows - start)))


def keys(rows: int) -> list[str]:
    return [f"key {row}" for row in range(rows)]


@st.composite
def typed_cases(draw: Draw) -> Case:
    """Any record type, columns of any Arrow type."""
    rows, record = draw(many_rows), draw(st.sampled_from([*RecordType][:4]))
    controls: dict[str, Any] = {"_mp_key": keys(rows), "_mp_user": listed(draw, rows, st.just("jane"))}
    if record is RecordType.EVENT:
        controls |= {"_mp_event": ["Sign Up"] * rows, "_mp_time": [NOW] * rows}
    columns = {f"c {i}": column(draw, rows) for i in range(draw(st.integers(1, 3)))}
    properties = Properties(send_nulls=draw(st.booleans()) and record is not RecordType.LOOKUP)
    wanted = spec(record, timezone=draw(st.sampled_from(ZONES)), properties=properties, unset_nulls=draw(st.booleans()))
    return Case(wanted, SIMPLIFIED, sliced(draw, controls | columns, rows))


@st.composite
def event_cases(draw: Draw) -> Case:
    """Events with any identity, name and time, and with changes of what was delivered before."""
    rows, static = draw(several_rows), draw(st.booleans())
    maybe = {"key": st.just("key"), "event": names, "time": good_times, "user": people, "device": people}
    controls: dict[str, Any] = {
        "_mp_key": keys(rows), "_mp_event": [STATIC] * rows if static else usually(draw, rows, good_names, names | st.none()),
        "_mp_time": usually(draw, rows, good_times, times),
        "_mp_user": usually(draw, rows, good_people, people | st.none()),
        "_mp_device": usually(draw, rows, good_people, people | st.none()),
        "plan": listed(draw, rows, texts | st.none()), "gone": listed(draw, rows, texts), "ip": listed(draw, rows, texts | st.none()),
        "company": listed(draw, rows, texts | st.none()), "email": listed(draw, rows, texts | st.none()),
    }  # fmt: skip
    if draw(st.booleans()):
        controls["_mp_fault"] = listed(draw, rows, st.sampled_from([None, None, "the row key is not unique"]))
    if draw(st.booleans()):
        controls["_mp_op"] = listed(draw, rows, st.sampled_from(["update", "insert", "delete"]))
        delivered = listed(draw, rows, st.sampled_from([True, True, False]))
        known = [op != "insert" and was for op, was in zip(controls["_mp_op"], delivered, strict=True)]
        moved = draw(st.sampled_from([(), ("time",), ("event",), ("user",), ("device",), ("event", "time", "user", "device")]))
        for name, values in maybe.items():
            olds = listed(draw, rows, values) if name in moved else controls[f"_mp_{name}"]
            usable = [
                old if old is not None or name in ("user", "device") else ("Old" if name == "event" else NOW)
                for old in olds
            ]
            controls[f"_mp_old_{name}"] = [old if was else None for old, was in zip(usable, known, strict=True)]
    more: dict[str, Any] = {"event_column": None, "event_name": STATIC} if static else {}
    wanted = spec(
        row_key=("id",), ip_column=draw(st.sampled_from(["ip", None])), group_keys={"company": "company id"},
        properties=Properties(deny=("gone", "ip"), rename={"plan": "the plan's"}, hash=("email",), send_nulls=draw(st.booleans())),
        **more,
    )  # fmt: skip
    return Case(wanted, draw(st.sampled_from([SIMPLIFIED, ORIGINAL])), sliced(draw, controls, rows))


@st.composite
def profile_cases(draw: Draw) -> Case:
    """Profiles in Mirror and Full, with columns that came, went and became NULL."""
    rows, record = draw(several_rows), draw(st.sampled_from([RecordType.USER, RecordType.GROUP]))
    controls: dict[str, Any] = {
        "_mp_key": keys(rows), "_mp_user": usually(draw, rows, good_people.filter(bool), people | st.none()),
        "email": listed(draw, rows, texts | st.none()), "plan": listed(draw, rows, texts | st.none()),
    }  # fmt: skip
    if draw(st.booleans()):
        controls["_mp_op"] = listed(draw, rows, st.sampled_from(["insert", "update", "delete"]))
        olds = listed(draw, rows, people.filter(bool))
        known = [op == "delete" and draw(st.booleans()) for op in controls["_mp_op"]]
        controls["_mp_old_key"] = [key if was else None for key, was in zip(keys(rows), known, strict=True)]
        controls["_mp_old_user"] = [old if was else None for old, was in zip(olds, known, strict=True)]
    wanted = spec(
        record, mode=draw(st.sampled_from([Mode.MIRROR, Mode.FULL])), unset_nulls=draw(st.booleans()),
        properties=Properties(send_nulls=draw(st.booleans())),
    )  # fmt: skip
    return Case(
        wanted, SIMPLIFIED, sliced(draw, controls, rows), dropped=draw(st.sampled_from([(), ("name", 'old "one"')]))
    )


@st.composite
def json_cases(draw: Draw) -> Case:
    """JSON texts, flattened or as a property, in several layouts."""
    rows, record = draw(many_rows), draw(st.sampled_from([*RecordType][:3]))
    layout = draw(
        st.sampled_from(
            [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string()), pa.json_()]
        )
    )
    values = pa.array(listed(draw, rows, json_texts() | st.none()), pa.string())
    values = pa.ExtensionArray.from_storage(layout, values) if layout == pa.json_() else values.dictionary_encode().cast(layout) if (
        pa.types.is_dictionary(layout)) else values.cast(layout)  # fmt: skip
    controls: dict[str, Any] = {
        "_mp_key": keys(rows),
        "_mp_user": ["jane"] * rows,
        "x": listed(draw, rows, texts | st.none()),
        "j": values,
    }
    flattened = record is RecordType.EVENT and draw(st.booleans())
    if record is RecordType.EVENT:
        controls |= {"_mp_event": ["Sign Up"] * rows, "_mp_time": [NOW] * rows}
    wanted = spec(
        record,
        json_column="j" if flattened else None,
        properties=Properties(send_nulls=draw(st.booleans()), rename={"x": "kept"}),
    )
    return Case(wanted, SIMPLIFIED, sliced(draw, controls, rows), json_types=frozenset({"j"}))


@pytest.mark.parametrize("first", range(0, len(LEAVES), 8))
@settings(quick, max_examples=12)
@given(st.data())
def test_every_type_without_parts_becomes_the_value_that_the_reference_says(first: int, data: st.DataObject) -> None:
    rows = 9
    columns = {f"c {first + i}": make(data.draw, rows) for i, make in enumerate(LEAVES[first : first + 8])}
    controls = {"_mp_key": keys(rows), "_mp_user": ["jane"] * rows, "_mp_event": ["Sign Up"] * rows, "_mp_time": [NOW] * rows}
    wanted = spec(timezone=data.draw(st.sampled_from(ZONES)))
    Case(wanted, SIMPLIFIED, sliced(data.draw, controls | columns, rows)).check()


@thorough
@given(typed_cases())
def test_every_arrow_type_becomes_the_value_that_the_reference_says(case: Case) -> None:
    case.check()


@thorough
@given(event_cases())
def test_every_event_and_change_of_one_is_what_the_reference_says(case: Case) -> None:
    case.check()


@quick
@given(profile_cases())
def test_every_profile_update_is_what_the_reference_says(case: Case) -> None:
    case.check()


@thorough
@given(json_cases())
def test_every_json_text_becomes_what_the_reference_says(case: Case) -> None:
    case.check()


@pytest.mark.long
@long
@given(st.one_of(typed_cases(), typed_cases(), event_cases(), profile_cases(), json_cases()))
def test_a_long_run_finds_no_difference_from_the_reference(case: Case) -> None:
    case.check()


@pytest.mark.parametrize("record", [RecordType.EVENT, RecordType.USER, RecordType.GROUP, RecordType.LOOKUP])
def test_huge_text_is_what_the_reference_says(record: RecordType) -> None:
    values = ["x" * HUGE, "é" * 400_000, '"' * 600_000, "\x01" * 100_000, None, json.dumps({"a": "x" * HUGE})]
    rows = len(values)
    controls = [pa.array(keys(rows)), pa.array(["jane"] * rows), pa.array(["Sign Up"] * rows), pa.array([NOW] * rows)]
    named = ["_mp_key", "_mp_user", "_mp_event", "_mp_time", "text"]
    batch = pa.RecordBatch.from_arrays([*controls, pa.array(values)], names=named)
    Case(spec(record), SIMPLIFIED, batch).check()
