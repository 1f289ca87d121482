"""Names: which column becomes which property, and what a table may not ask for."""

import pytest

from mixpanel_wh.engine.errors import ConfigError, SourceError
from mixpanel_wh.engine.spec import Properties, RecordType, SyncSpec
from mixpanel_wh.mixpanel.records.naming import property_names
from mixpanel_wh.mixpanel.rules import EVENT_RESERVED, IDENTITY_EVENTS
from mixpanel_wh_tests.mixpanel.records.examples import ORIGINAL, sync, write


def with_properties(record: RecordType = RecordType.EVENT, **more: object) -> SyncSpec:
    return sync(record, properties=Properties(**more))  # type: ignore[arg-type]


def test_columns_keep_their_names_and_order() -> None:
    assert list(property_names(sync(), ["b", "a", "Ä ö"]).items()) == [("b", "b"), ("a", "a"), ("Ä ö", "Ä ö")]


def test_columns_with_another_role_are_no_properties() -> None:
    assert property_names(sync(json_column="j", ip_column="p"), ["e", "t", "u", "d", "j", "p", "a"]) == {"a": "a"}


def test_allow_deny_and_rename_decide_what_is_sent() -> None:
    spec = with_properties(allow=("a", "b", "c"), deny=("b",), rename={"c": "C", "x": "X"})
    assert property_names(spec, ["a", "b", "c", "x"]) == {"a": "a", "c": "C"}


@pytest.mark.parametrize("name", sorted(EVENT_RESERVED))
def test_rule_properties_that_mixpanel_keeps_for_itself_are_refused(name: str) -> None:
    with pytest.raises(SourceError, match="Mixpanel keeps for itself"):
        property_names(sync(), ["a", name])
    assert property_names(with_properties(deny=(name,)), ["a", name]) == {"a": "a"}
    assert property_names(with_properties(rename={name: "other"}), [name]) == {name: "other"}


def test_two_columns_may_not_become_one_property() -> None:
    with pytest.raises(SourceError, match="columns 'a' and 'b' would both be sent as property 'b'"):
        property_names(with_properties(rename={"a": "b"}), ["a", "b"])
    with pytest.raises(SourceError, match=r"'\$email'"):
        property_names(sync(RecordType.USER), ["email", "$email"])
    with pytest.raises(SourceError, match="'plan'"):
        property_names(sync(group_keys={"g": "plan"}), ["plan", "g"])


@pytest.mark.parametrize("letter", ["n", "é"])
def test_rule_a_property_name_has_at_most_255_characters(letter: str) -> None:
    assert property_names(sync(), [letter * 255])
    with pytest.raises(SourceError, match="255 characters"):
        property_names(sync(), [letter * 256])


@pytest.mark.parametrize("name", ["it's", 'say "hi"', "back\\slash", "new\nline", "c0", "x; DROP TABLE rows", "é😀", "{}", " "])
def test_any_column_name_reaches_mixpanel_as_it_is(name: str) -> None:
    assert write({name: [1], "plain": [2]}).properties[name] == 1
    assert write({name: [None, 1]}, sync(RecordType.USER)).records[1] == [
        {"$token": "token", "$distinct_id": "jane", "$ip": "0", "$set": {name: 1}}]  # fmt: skip


@pytest.mark.parametrize("letter", ["n", "é"])
def test_rule_the_one_event_name_of_a_sync_has_at_most_255_characters(letter: str) -> None:
    short, long = (sync(event_column=None, event_name=letter * count) for count in (255, 256))
    assert write({"a": [1]}, short).only["event"] == letter * 255
    with pytest.raises(ConfigError, match=r"sync orders: the event name '.*' is longer than 255 characters"):
        write({"a": [1]}, long)


@pytest.mark.parametrize("name", IDENTITY_EVENTS)
def test_rule_the_one_event_name_of_a_sync_is_no_identity_event_of_the_other_system(name: str) -> None:
    spec = sync(event_column=None, event_name=name)
    assert write({"a": [1]}, spec, settings=ORIGINAL).only["event"] == name
    with pytest.raises(ConfigError, match="the project has the simplified one"):
        write({"a": [1]}, spec)
