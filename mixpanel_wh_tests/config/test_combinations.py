"""Which record types go with which modes: the whole table, by way of project files."""

from itertools import product
from pathlib import Path

import pytest

from mixpanel_wh.config.combinations import COMBINATIONS, NOT_YET, modes_of, why_not
from mixpanel_wh.engine.spec import Mode, RecordType
from mixpanel_wh_tests.config.writing import EVENT, GROUP, LOOKUP, USER, loaded, mistakes, sync_file

SYNCS = {RecordType.EVENT: EVENT, RecordType.USER: USER, RecordType.GROUP: GROUP, RecordType.LOOKUP: LOOKUP}
REFUSED = {
    (RecordType.EVENT, Mode.FULL): "events cannot be sent in full",
    (RecordType.LOOKUP, Mode.APPEND): "a lookup table cannot be appended to",
    (RecordType.HISTORY, Mode.APPEND): "profile history exists in mode mirror only",
    (RecordType.HISTORY, Mode.FULL): "profile history exists in mode mirror only",
    (RecordType.HISTORY, Mode.ONE_TIME): "profile history exists in mode mirror only",
}


def sync_of(record: RecordType, mode: Mode) -> str:
    """A sync of this combination without any other mistake."""
    given = SYNCS[record].replace("mode: mirror", f"mode: {mode}").replace("mode: full", f"mode: {mode}")
    return given + (", insert_time: written_at" if mode is Mode.APPEND else "")


@pytest.mark.parametrize(("record", "mode"), list(product(SYNCS, Mode)))
def test_every_combination_loads_or_is_refused_with_its_reason(tmp_path: Path, record: RecordType, mode: Mode) -> None:
    text = sync_file(sync_of(record, mode))
    if (record, mode) in REFUSED:
        assert REFUSED[record, mode] in "\n".join(mistakes(tmp_path, text))
    else:
        spec = loaded(tmp_path, text).sync("one")
        assert (spec.record, spec.mode) == (record, mode)


def test_the_table_has_an_answer_to_every_combination() -> None:
    assert set(COMBINATIONS) == set(product(RecordType, Mode))
    assert {pair for pair in COMBINATIONS if why_not(*pair)} == set(REFUSED)


def test_a_refusal_says_what_to_write_instead() -> None:
    for (record, mode), reason in COMBINATIONS.items():
        if reason:
            assert any(str(other) in reason for other in modes_of(record) if other is not mode)


@pytest.mark.parametrize("mode", list(Mode))
def test_profile_history_is_refused_for_now_whatever_the_mode(tmp_path: Path, mode: Mode) -> None:
    told = mistakes(tmp_path, sync_file(f"table: a.b, record: history, mode: {mode}"))
    assert told == [f"5: syncs.one.record: {NOT_YET[RecordType.HISTORY]}"]
