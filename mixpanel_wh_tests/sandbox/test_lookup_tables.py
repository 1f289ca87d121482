"""Lookup tables: the rules of their CSV, whole replacement, and how often."""

import gzip
from collections.abc import Callable

import pytest
import requests

from mixpanel_wh.sandbox import Sandbox
from mixpanel_wh_tests.sandbox.calling import ACCOUNT, PROJECT, replace_table, summary

GOOD = 'id,name\r\n1,"Ada, ""the first"""\r\n2,"two\nlines"\r\n'


def stored(box: Sandbox, id: str = "planes") -> str:
    """The CSV the sandbox keeps."""
    return requests.get(f"{box.url}/sandbox/lookup-tables/{id}", timeout=30).content.decode()


def test_a_table_is_kept_as_it_was_sent_and_its_rows_are_counted(box: Sandbox) -> None:
    assert replace_table(box, GOOD).json() == {"code": 200, "status": "OK"}
    assert stored(box) == GOOD
    assert (summary(box)["lookup_tables"], summary(box)["lookup_rows"]) == ({"planes": 2}, 2)


def test_a_table_is_replaced_whole(box: Sandbox) -> None:
    replace_table(box, GOOD)
    replace_table(box, "id\n9\n")
    assert stored(box) == "id\n9\n"


def test_a_field_may_be_as_long_as_the_table_allows(box: Sandbox) -> None:
    csv = f"id,text\n1,{'x' * 200_000}\n"
    assert replace_table(box, csv).status_code == 200
    assert stored(box) == csv


def test_an_id_may_hold_any_character(box: Sandbox) -> None:
    assert replace_table(box, GOOD, "a%2Fb%20c").status_code == 200
    assert stored(box, "a%2Fb%20c") == GOOD
    assert summary(box)["lookup_tables"] == {"a/b c": 2}


@pytest.mark.parametrize(
    ("csv", "word"),
    [
        ("", "header"),
        ("id,id\n1,2\n", "more than once"),
        ("id,\n1,2\n", "header name is empty"),
        ("id,a\n1,2\n1,3\n", "not unique"),
        ("id,a\n,2\n", "empty"),
        ("id,a\n1\n", "1 fields"),
        ("id,a\n1,2,3\n", "3 fields"),
        ('id,a\n1,"open\n', "RFC 4180"),
        ('id,a\n1,"x"y\n', "RFC 4180"),
        (b"id\n\xff\n", "UTF-8"),
    ],
)
def test_a_bad_table_is_refused_and_the_old_one_stays(box: Sandbox, csv: str | bytes, word: str) -> None:
    replace_table(box, GOOD)
    answer = replace_table(box, csv)
    assert answer.status_code == 400
    assert word in answer.json()["failed_records"][0]["message"]
    assert stored(box) == GOOD


def test_an_error_lists_at_most_the_first_ten_bad_rows(box: Sandbox) -> None:
    answer = replace_table(box, "id,a\n1,x\n" + ",y\n" * 20).json()
    assert [one["index"] for one in answer["failed_records"]] == list(range(1, 11))
    assert {one["status"] for one in answer["failed_records"]} == {0}


def test_a_table_may_come_gzipped(box: Sandbox) -> None:
    assert replace_table(box, gzip.compress(GOOD.encode()), **{"Content-Encoding": "gzip"}).status_code == 200
    assert stored(box) == GOOD


def test_a_table_over_a_hundred_megabytes_is_413(box: Sandbox) -> None:
    body = gzip.compress(b"id\n" + b"x" * (100 * 1_048_576), 1)
    assert replace_table(box, body, **{"Content-Encoding": "gzip"}).status_code == 413


def test_a_table_that_does_not_exist_is_404_where_tables_must_exist(start: Callable[..., Sandbox]) -> None:
    answer = replace_table(start(create_lookup_tables=False), GOOD)
    assert (answer.status_code, "planes" in answer.json()["error"]) == (404, True)


def test_tables_are_replaced_at_most_a_hundred_times_in_a_rolling_day(start: Callable[..., Sandbox]) -> None:
    now = [1_700_000_000.0]
    box = start(clock=lambda: now[0])
    assert {replace_table(box, GOOD).status_code for _ in range(100)} == {200}
    answer = replace_table(box, GOOD)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "86400")
    now[0] += 86_401
    assert replace_table(box, GOOD).status_code == 200


def test_tables_are_listed(box: Sandbox) -> None:
    replace_table(box, GOOD, "b")
    replace_table(box, GOOD, "a")
    answer = requests.get(f"{box.url}/lookup-tables", auth=ACCOUNT, params=PROJECT, timeout=30).json()
    assert [one["id"] for one in answer["results"]] == ["a", "b"]


def test_lookup_tables_need_a_service_account(box: Sandbox) -> None:
    url = f"{box.url}/lookup-tables"
    assert requests.put(f"{url}/a", data=GOOD, auth=("token", ""), params=PROJECT, timeout=30).status_code == 401
    assert requests.get(url, timeout=30).status_code == 401


def test_a_table_nobody_sent_is_404(box: Sandbox) -> None:
    assert requests.get(f"{box.url}/sandbox/lookup-tables/none", timeout=30).status_code == 404
