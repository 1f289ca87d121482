"""Insert ids: the same event gets the same id for ever, another event another one, and none is refused."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixpanel_wh.mixpanel.insert_ids import InsertIds
from mixpanel_wh.mixpanel.rules import JUNK_IDS
from mixpanel_wh_tests.mixpanel.records.examples import NOW, sync, write

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
told = st.tuples(words, words, st.integers(-(2**40), 2**45), words)


def test_an_insert_id_never_changes_between_releases() -> None:
    assert InsertIds("orders", 0).of("key", "Order", NOW, "jane") == "586466113af3f43e4daf9247c6b00f73"


@given(told, told)
def test_two_different_events_have_different_insert_ids(one: Any, other: Any) -> None:
    ids = InsertIds("orders", 0)
    assert (ids.of(*one) == ids.of(*other)) == (one == other)


@given(words, words, words, words)
def test_letters_that_move_between_key_name_and_person_change_the_insert_id(a: str, b: str, c: str, d: str) -> None:
    ids = InsertIds("orders", 0)
    split = [(a + b, c, d), (a, b + c, d), (a, b, c + d)]
    assert len({ids.of(key, event, NOW, person) for key, event, person in split}) == len(set(split))


def test_sync_and_epoch_are_part_of_the_insert_id() -> None:
    made = {InsertIds(name, epoch).of("k", "e", NOW, "u") for name in ("orders", "returns") for epoch in (0, 1, 2)}
    assert len(made) == 6


@given(told)
def test_rule_an_insert_id_is_at_most_36_bytes_of_letters_and_digits_and_never_junk(one: Any) -> None:
    made = InsertIds("a sync's \"name\"", 3).of(*one)
    assert re.fullmatch(r"[A-Za-z0-9-]{1,36}", made)
    assert made not in JUNK_IDS


@pytest.mark.parametrize("name", ["orders", "it's", "é"])
@pytest.mark.parametrize("person", ["jane", 'o"brien', "é😀", "", "x" * 5_000])
def test_sql_and_python_make_the_same_insert_id(name: str, person: str) -> None:
    found = write({"_mp_key": ["kéy"], "_mp_event": ["Örder"], "_mp_user": [person]}, sync(name=name), epoch=4).properties
    assert found["$insert_id"] == InsertIds(name, 4).of("kéy", "Örder", NOW, person)
