"""Lookup tables: lines of CSV that say what the row said, the id first."""

import csv
import datetime
import io
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from mixpanel_wh.engine.errors import SourceError
from mixpanel_wh.engine.spec import Properties, RecordType
from mixpanel_wh_tests.mixpanel.records.examples import batch_of, encoder_of, sync, write

LOOKUP = RecordType.LOOKUP


def fields(columns: dict[str, Any], **more: Any) -> list[str]:
    """The fields of the one row, after its id."""
    [field, *rest] = write(columns, sync(LOOKUP, **more)).only
    assert field == "jane"
    return list(rest)


def test_the_header_names_the_id_and_then_the_properties() -> None:
    spec = sync(LOOKUP, properties=Properties(rename={"a": 'A, "quoted"'}, deny=("b",)))
    batch = batch_of({"u": ["jane"], "a": [1], "b": [2], "c": [3]})
    prefix = encoder_of(spec, batch).framing.prefix.decode()
    assert list(csv.reader(io.StringIO(prefix))) == [["u", 'A, "quoted"', "c"]]


def test_rule_header_names_are_unique() -> None:
    spec = sync(LOOKUP, properties=Properties(rename={"a": "u"}))
    with pytest.raises(SourceError, match="'u'"):
        encoder_of(spec, batch_of({"u": ["jane"], "a": [1]}))


@pytest.mark.parametrize("text", ["a,b", 'say "hi"', "two\nlines", "cr\rlf\r\n", "lone\rcr", " padded ", "", "null", "=1+1", "é😀", "\x00\t"])
def test_rule_text_comes_back_from_csv_as_it_went_in(text: str) -> None:
    assert fields({"a": [text], "b": ["end"]}) == [text, "end"]
    assert write({"_mp_user": [text or "x"], "a": [1]}, sync(LOOKUP)).only == [text or "x", "1"]


def test_rule_values_are_written_as_mixpanel_recognises_them() -> None:
    day, moment = datetime.date(2024, 2, 29), datetime.datetime(2024, 2, 29, 12, 30)
    found = fields({"i": [2**60], "d": pa.array([Decimal("1.50")]), "b": [True], "day": [day], "at": [moment],
                    "list": [["a", 'b"']], "none": pa.nulls(1), "nan": [float("nan")], "f": [0.5]})  # fmt: skip
    assert found == [str(2**60), "1.50", "true", "2024-02-29", "2024-02-29T12:30:00Z", '["a","b\\""]', "", "", "0.5"]


@pytest.mark.parametrize("missing", [None, ""])
def test_rule_the_id_of_a_row_is_not_empty(missing: str | None) -> None:
    written = write({"_mp_user": ["jane", missing], "a": [1, 2]}, sync(LOOKUP))
    assert written.reasons == {1: ("u", "u is NULL or empty: it names the row")}


def test_a_lookup_row_may_be_larger_than_an_event() -> None:
    assert len(fields({"a": ["x" * 2_000_000]})[0]) == 2_000_000


def test_hashed_lookup_columns_are_sha256() -> None:
    assert fields({"n": [7]}, properties=Properties(hash=("n",))) == [
        "7902699be42c8a8e46fbbb4501726517e86b22c56a189f7625a6da49081b2451"]  # fmt: skip
