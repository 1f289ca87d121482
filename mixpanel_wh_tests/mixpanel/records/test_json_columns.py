"""JSON text in columns: what is spliced, what is rebuilt, and that neither can break the record around it."""

from collections.abc import Iterator
from typing import Any

import duckdb
import pytest

from mixpanel_wh.engine.spec import Properties, RecordType
from mixpanel_wh.mixpanel import rules
from mixpanel_wh.mixpanel.records.json_columns import Reader, is_plain
from mixpanel_wh_tests.mixpanel.records.examples import sync, write


def value_of(text: str, record: RecordType = RecordType.EVENT) -> Any:
    """What a JSON text becomes as a property; `absent` where it is none."""
    return write({"j": [text]}, sync(record), json=("j",)).properties.get("j", "absent")


def members_of(text: str | None, **more: Any) -> Any:
    """The properties that a JSON text is flattened into."""
    found = write({"j": [text], "x": ["column"]}, sync(json_column="j", **more)).properties
    usual = write({"x": ["column"]}, sync(**more)).properties
    assert found.items() >= usual.items()
    return {name: value for name, value in found.items() if name not in usual}


@pytest.fixture(scope="module")
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        yield connection


def is_spliced(database: duckdb.DuckDBPyConnection, text: str, limits: rules.Limits = rules.EVENT) -> bool:
    [(found,)] = database.execute(f"SELECT {is_plain('x', limits)} FROM (SELECT $1 AS x)", [text]).fetchall()
    return bool(found)


@pytest.mark.parametrize("text", [
    '{"url":"https://example.com//a?b=c"}', '{"id":"3f2504e0-4f89-11d3-9a0c-0305e82c3301"}', '{"text":"more, information"}',
    '{"a":1.5e3,"b":[1,2,{"c":null}]}', ' {"a" : 1} ', '"nan"', '["a","b"]', "12.5", "true", '{"e":"\\ud83d\\ude00"}',
    '{"a":"' + "x" * 900 + '"}', '[{"a":1},{"a":2}]',
])  # fmt: skip
def test_usual_texts_are_spliced_as_they_are(database: duckdb.DuckDBPyConnection, text: str) -> None:
    assert is_spliced(database, text)


@pytest.mark.parametrize("text", [
    "NaN", "-Infinity", "[nan]", '{"a":inf}', "[1,]", '{"a":1, }', '{"a":1e400}', '{"a":12345678901234567}', "null", "\t null \n",
    '{"a":1,"a":2}', '{"a":1,"\\u0061":2}', '{"b":{"a":1,"a":2}}', '[[{"a":1,"a":2}]]', '{"a":\n1}', '{"a":"\\ud800"}',
    '{"a":1/*x*/}', "{'a':1}", "", "[1", '{"a":{"b":{"c":{"d":1}}}}', "[" + "1," * 254 + "1]",
])  # fmt: skip
def test_texts_that_splicing_might_get_wrong_are_not(database: duckdb.DuckDBPyConnection, text: str) -> None:
    assert not is_spliced(database, text)


def test_a_profile_splices_large_and_deep_texts_too(database: duckdb.DuckDBPyConnection) -> None:
    text = '{"a":{"b":{"c":{"d":[' + "1," * 5_000 + "1]}}}}"
    assert is_spliced(database, text, rules.PROFILE)
    assert value_of(text, RecordType.USER)["a"]["b"]["c"]["d"] == [1] * 5_001


@pytest.mark.parametrize(("text", "value"), [
    ("NaN", "absent"), ("null", "absent"), (" null ", "absent"), ("1e400", "absent"), ("[1e400,NaN,null]", [None, None, None]),
    ("12345678901234567890", "12345678901234567890"), ('{"a":[9007199254740993]}', {"a": ["9007199254740993"]}),
    ('{"a":1,"a":2}', {"a": 2}), ('{"b":[{"a":1,"\\u0061":2}]}', {"b": [{"a": 2}]}), ('"\\ud800"', "\ufffd"),
    ('"\\ud83d\\ude00"', "😀"), ('{\n"a":\r\n1\t}', {"a": 1}), ("[]", []), ("{}", {}), ('""', ""), ("false", False),
    ('"\u2028\\u0000"', "\u2028\0"),
])  # fmt: skip
def test_a_json_text_becomes_a_value_that_mixpanel_takes(text: str, value: Any) -> None:
    assert value_of(text) == value


@pytest.mark.parametrize("text", ["[1,]", '{"a":1,}', "nan", "inf", "[1", "{'a':1}", "tru", '{"a":1/*x*/}', "1 2", '"a\nb"'])
def test_what_is_not_json_rejects_its_row_only(text: str) -> None:
    written = write({"j": ["[1]", text, None]}, json=("j",))
    assert {row: column for row, (column, _) in written.reasons.items()} == {1: "j"}
    assert "not valid JSON" in written.reasons[1][1]
    flattened = write({"j": ['{"a":1}', text, None]}, sync(json_column="j"))
    assert {row: column for row, (column, _) in flattened.reasons.items()} == {1: "j"}


def test_members_become_properties() -> None:
    assert members_of('{"a":1,"b":{"c":[1]},"é":"x"}') == {"a": 1, "b": {"c": [1]}, "é": "x"}


@pytest.mark.parametrize("text", [None, "{}", " { } ", "null", '{"a":null}', '{"a":NaN}'])
def test_a_json_column_without_members_adds_nothing(text: str | None) -> None:
    assert members_of(text) == {}


@pytest.mark.parametrize("text", ['\t{"a":1}\t', '\n{"a":1}\n', '  {"a":1}  ', '{"a":1}\r'])
def test_space_around_the_object_is_no_part_of_it(text: str) -> None:
    assert members_of(text) == {"a": 1}


@pytest.mark.parametrize("text", ["[1]", '"a"', "1", "true"])
def test_only_an_object_can_be_flattened(text: str) -> None:
    column, reason = write({"j": [text]}, sync(json_column="j")).reason
    assert (column, "must be an object" in reason) == ("j", True)


def test_members_never_replace_columns_or_reserved_properties() -> None:
    reserved = ",".join(f'"{name}":"taken"' for name in sorted(rules.EVENT_RESERVED))
    assert members_of('{"x":1,"\\u0078":2,' + reserved + ',"X":3}') == {"X": 3}


def test_a_member_twice_is_sent_once() -> None:
    assert members_of('{"a":1,"b":2,"a":3}') == {"a": 3, "b": 2}
    assert members_of('{"\\ud800":1,"\\ud801":2}') == {"\ufffd": 2}


def test_null_members_are_sent_where_the_sync_sends_nulls() -> None:
    spec = {"properties": Properties(send_nulls=True)}
    assert members_of('{"a":null,"b":{"c":null}}', **spec) == {"a": None, "b": {"c": None}}


@pytest.mark.parametrize("letter", ["k", "é"])
def test_rule_names_of_members_have_at_most_255_characters(letter: str) -> None:
    assert members_of('{"' + letter * 255 + '":1}') == {letter * 255: 1}
    assert "longer than 255" in write({"j": ['{"' + letter * 256 + '":1}']}, sync(json_column="j")).reason[1]


def nested(levels: int) -> str:
    return '{"a":' * levels + "1" + "}" * levels


def test_rule_objects_in_json_are_at_most_3_levels_deep() -> None:
    assert value_of(nested(3))
    assert write({"j": [nested(4)]}, json=("j",)).reason[0] == "j"
    assert members_of(nested(4))
    assert write({"j": [nested(5)]}, sync(json_column="j")).reason[0] == "j"


@pytest.mark.parametrize("text", ["[{}]", '{{"a":[{}]}}'])
def test_rule_lists_in_json_have_at_most_254_elements(text: str) -> None:
    short, long = ("[" + "1," * (count - 1) + "1]" for count in (254, 255))
    wrapped = text.replace("{{", "{").replace("}}", "}")
    assert value_of(wrapped.replace("[{}]", short))
    assert write({"j": [wrapped.replace("[{}]", long)]}, json=("j",)).reason[0] == "j"


def test_rule_lists_and_objects_in_json_have_at_most_8_kilobytes() -> None:
    assert value_of('["' + "x" * 8_188 + '"]')
    assert write({"j": ['["' + "x" * 8_189 + '"]']}, json=("j",)).reason[0] == "j"
    assert value_of('"' + "x" * 9_000 + '"') == "x" * 9_000


@pytest.mark.parametrize("depth", [300, 5_000, 100_000])
def test_json_nested_without_end_is_rejected_or_sent_but_stops_nothing(depth: int) -> None:
    written = write({"j": ["[1]", "[" * depth + "]" * depth, "[2]"]}, json=("j",))
    assert set(written.reasons) <= {1}
    assert (written.records[0], written.records[2]) != (None, None)
    assert 0 not in write({"j": ["[1]", "[" * depth]}, sync(RecordType.USER), json=("j",)).reasons


def test_a_hashed_json_column_is_the_hash_of_its_text() -> None:
    found = write({"j": ["7"]}, sync(properties=Properties(hash=("j",))), json=("j",)).properties
    assert found["j"] == "7902699be42c8a8e46fbbb4501726517e86b22c56a189f7625a6da49081b2451"


def test_spliced_and_rebuilt_texts_mean_the_same() -> None:
    text = '{"a":[1,2.5,"é😀",{"b":null,"c":false}],"d":"\\n\\"\\u0000"}'
    rebuilt = Reader(rules.EVENT).value(text)
    assert rebuilt is not None
    assert value_of(text) == value_of(rebuilt) == value_of(f"\n{text}")


@pytest.mark.parametrize("blank", ["", " ", "\t\n"])
def test_a_blank_text_is_no_json_and_no_mistake(blank: str) -> None:
    assert value_of(blank) == "absent"
    assert members_of(blank) == {}
