"""The small languages inside values."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixpanel_wh.config import syntax
from mixpanel_wh.engine.spec import Limit, TableName


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("1 day", timedelta(days=1)),
        ("6 hours", timedelta(hours=6)),
        ("90 minutes", timedelta(minutes=90)),
        ("1 day 6 hours", timedelta(days=1, hours=6)),
        ("2d", timedelta(days=2)),
        ("1.5 h", timedelta(minutes=90)),
        ("3 WEEKS", timedelta(weeks=3)),
        ("0 s", timedelta(0)),
    ],
)
def test_spans_of_time_are_read_in_words(text: str, span: timedelta) -> None:
    assert syntax.span(text) == span


@given(st.integers(0, 3650))
def test_every_number_of_days_up_to_ten_years_is_a_span(days: int) -> None:
    assert syntax.span(f"{days} days") == timedelta(days=days)


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("1%", Limit(share=0.01)),
        ("0.5 %", Limit(share=0.005)),
        ("500 rows", Limit(rows=500)),
        ("1 row", Limit(rows=1)),
        ("500", Limit(rows=500)),
        ("0", Limit(rows=0)),
        ("10,000", Limit(rows=10_000)),
        ("off", Limit()),
    ],
)
def test_limits_are_shares_rows_or_off(text: str, limit: Limit) -> None:
    assert syntax.limit(text) == limit


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("flights", ("flights",)),
        ("main.flights", ("main", "flights")),
        ("wh.main.flights", ("wh", "main", "flights")),
        ('main."odd.name"', ("main", "odd.name")),
        ('"say ""hi""".t', ('say "hi"', "t")),
        ("`project-1`.set.t", ("project-1", "set", "t")),
        ("my schema.t", ("my schema", "t")),
    ],
)
def test_table_names_are_split_at_dots_outside_of_quotes(text: str, parts: tuple[str, ...]) -> None:
    assert syntax.table(text) == TableName(parts)


@given(st.lists(st.text(min_size=1).filter(lambda part: "\x00" not in part), min_size=1, max_size=3))
def test_any_name_can_be_written_in_double_quotes(parts: list[str]) -> None:
    quoted = ".".join('"' + part.replace('"', '""') + '"' for part in parts)
    assert syntax.table(quoted).parts == tuple(parts)


@pytest.mark.parametrize(
    "text", ["hourly", "daily", "weekly", "0 * * * *", "*/15 6-18 * * 1-5", "30 6 1,15 jan-mar MON", "0 0 * * 7"]
)
def test_schedules_are_words_or_five_cron_fields(text: str) -> None:
    assert syntax.schedule(text) == text


def test_a_schedule_word_may_begin_with_an_at_sign() -> None:
    assert syntax.schedule("@daily") == "daily"


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-31", datetime(2026, 1, 31)),
        ("2026-01-31 08:00", datetime(2026, 1, 31, 8)),
        ("2026-01-31T08:00:00Z", datetime(2026, 1, 31, 8, tzinfo=UTC)),
    ],
)
def test_moments_are_iso_8601(text: str, moment: datetime) -> None:
    assert syntax.moment(text) == moment


def test_a_moment_without_a_zone_is_in_the_zone_of_the_sync() -> None:
    moment = syntax.in_zone(datetime(2026, 1, 31), "America/New_York")
    assert moment.astimezone(UTC) == datetime(2026, 1, 31, 5, tzinfo=UTC)
    assert syntax.in_zone(datetime(2026, 1, 31), "UTC") == datetime(2026, 1, 31, tzinfo=UTC)


@pytest.mark.parametrize("text", ["https://api.mixpanel.com", "http://127.0.0.1:8787", "http://[::1]:8787/proxy"])
def test_addresses_are_http_or_https(text: str) -> None:
    assert syntax.url(text + "/") == text


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (syntax.span, ""),
        (syntax.span, "1 fortnight"),
        (syntax.span, "day"),
        (syntax.span, "-1 day"),
        (syntax.span, "1 day ago"),
        (syntax.span, "99999999999 days"),
        (syntax.limit, "lots"),
        (syntax.limit, "-1"),
        (syntax.limit, "101%"),
        (syntax.limit, "1.5 rows"),
        (syntax.table, "a..b"),
        (syntax.table, ".a"),
        (syntax.table, "a."),
        (syntax.table, "a.b.c.d"),
        (syntax.table, 'a."b'),
        (syntax.name, "-a"),
        (syntax.name, "a b"),
        (syntax.name, "a" * 64),
        (syntax.moment, "soon"),
        (syntax.zone, "Mars/Base"),
        (syntax.zone, "../etc/passwd"),
        (syntax.schedule, "sometimes"),
        (syntax.schedule, "0 24 * * *"),
        (syntax.schedule, "0 0 0 * *"),
        (syntax.schedule, "*/0 * * * *"),
        (syntax.schedule, "5-1 * * * *"),
        (syntax.schedule, "0 0 * * * *"),
        (syntax.url, "127.0.0.1:8787"),
        (syntax.url, "ftp://host"),
        (syntax.url, "http://"),
        (syntax.url, "http://127.0.0.1:port"),
        (syntax.url, "http://user:password@127.0.0.1"),
        (syntax.url, "http://127.0.0.1/?a=b"),
        (syntax.url, "http://[::1"),
        (syntax.whole, "1.5"),
        (syntax.flag, "maybe"),
        (syntax.rate, "0"),
        (syntax.rate_off, "fast"),
        (syntax.seconds, "-1"),
        (syntax.concurrency, "21"),
        (syntax.concurrency, "0"),
        (syntax.owner, "me"),
        (syntax.group, "my group"),
    ],
)
def test_what_is_not_understood_is_answered_with_what_to_write(parse: Callable[[str], Any], text: str) -> None:
    with pytest.raises(ValueError, match=r"^(write|the cron field)"):
        parse(text)


def complaint(parse: Callable[[str], Any], text: str) -> str:
    """What is said of a text; nothing when it is read."""
    try:
        parse(text)
    except ValueError as error:
        return str(error)
    return ""


@given(st.text(max_size=20))
def test_any_text_is_read_or_refused_with_a_sentence(text: str) -> None:
    for parse in (syntax.span, syntax.limit, syntax.table, syntax.schedule, syntax.moment, syntax.url, syntax.zone):
        assert complaint(parse, text).startswith(("write ", "the cron field ")) or not complaint(parse, text)
