"""Reading back: Mixpanel's limits are kept, passing trouble is waited out, and what cannot be had is one sentence."""

import json
import time
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

import pytest

from mixpanel_wh.engine.errors import CredentialsRefused, DestinationUnavailable, RequestRefused
from mixpanel_wh.engine.ports import Table
from mixpanel_wh.engine.spec import Identity, RecordType
from mixpanel_wh.mixpanel.endpoints import READS, ReadBack
from mixpanel_wh.mixpanel.fetching import Fetcher
from mixpanel_wh.mixpanel.pace import Pace
from mixpanel_wh.mixpanel.reading import ProjectReader, reader_for
from mixpanel_wh_tests.mixpanel.delivering import PretendClock, Response, Script, scripted, settings, spec

LINES = b'{"n":1}\n{"n":2}\n{"n":3}\n'


def fetcher(server: Script) -> Fetcher:
    return Fetcher(settings(server.url), PretendClock())


def lines(server: Script) -> list[bytes]:
    one = fetcher(server)
    try:
        return list(one.lines(ReadBack.EVENTS, {"from_date": "2024-01-01", "to_date": "2024-01-02"}))
    finally:
        one.close()


def test_the_limits_of_each_endpoint_are_those_of_mixpanels_pages() -> None:
    export, query = READS[ReadBack.EVENTS], READS[ReadBack.PROFILES]
    assert (export.an_hour, export.a_second, export.endpoint.path) == (60, 3, "/api/2.0/export")
    assert (query.an_hour, query.a_second, query.endpoint.path) == (60, 5, "/api/2.0/engage")


def test_counts_and_profiles_use_up_one_quota_and_exports_another() -> None:
    assert READS[ReadBack.COUNTS].quota == READS[ReadBack.PROFILES].quota != READS[ReadBack.EVENTS].quota
    answers = [Response(content={"results": []}) for _ in range(61)]
    with scripted(*answers) as server:
        one = fetcher(server)
        for number in range(60):
            one.json(ReadBack.COUNTS if number % 2 else ReadBack.PROFILES)
        with pytest.raises(DestinationUnavailable, match="60 requests an hour"):
            one.json(ReadBack.COUNTS)
        assert list(one.lines(ReadBack.EVENTS, {}))
        one.close()


def test_no_more_requests_start_in_a_second_or_an_hour_than_allowed() -> None:
    clock = PretendClock()
    pace = Pace(5, 2, clock.now)
    starts = []
    for _ in range(7):
        clock.wait(pace.wait())
        pace.take()
        starts.append(clock.now() - 100.0)
    assert starts == [0, 0, 1, 1, 2, 3600, 3600]


def test_events_are_asked_for_with_the_account_and_times_in_milliseconds() -> None:
    with scripted(Response(content=LINES)) as server:
        assert lines(server) == LINES.splitlines()
        [request] = server.requests
    path, _, query = request.path.partition("?")
    assert (request.method, path) == ("GET", "/api/2.0/export")
    assert query == "time_in_ms=true&project_id=42&from_date=2024-01-01&to_date=2024-01-02"
    assert request.headers["authorization"].startswith("Basic ")


@pytest.mark.parametrize("trouble", [Response(503), Response(429, headers={"Retry-After": "2"}), Response(breaks=3)])
def test_passing_trouble_is_waited_out(trouble: Response) -> None:
    with scripted(trouble, Response(content=LINES)) as server:
        assert lines(server)[-3:] == LINES.splitlines()


def test_a_stream_that_breaks_in_the_middle_comes_again_from_its_beginning() -> None:
    with scripted(Response(content=LINES, breaks=len(LINES) - 2), Response(content=LINES)) as server:
        assert lines(server)[-3:] == LINES.splitlines()
        assert len(server.requests) == 2


def test_a_limit_that_opens_much_later_is_told_with_when_to_come_again() -> None:
    with (
        scripted(Response(429, headers={"Retry-After": "1800"})) as server,
        pytest.raises(DestinationUnavailable, match=r"answers 429; try again in 30 min"),
    ):
        lines(server)


def test_when_the_hour_is_used_up_nothing_more_is_asked() -> None:
    with scripted(Response(content=b"")) as server:
        one = fetcher(server)
        for _ in range(60):
            list(one.lines(ReadBack.EVENTS, {}))
        with pytest.raises(DestinationUnavailable, match="60 requests an hour"):
            list(one.lines(ReadBack.EVENTS, {}))
        one.close()
        assert len(server.requests) == 60


@pytest.mark.parametrize(
    ("response", "error"),
    [(Response(401), CredentialsRefused), (Response(402), RequestRefused), (Response(302), RequestRefused)],
)
def test_a_refusal_is_an_error_without_secrets_and_no_retry(response: Response, error: type[Exception]) -> None:
    with scripted(response) as server:
        with pytest.raises(error) as caught:
            lines(server)
        assert len(server.requests) == 1
    assert "hush-hush" not in str(caught.value)


def test_an_answer_that_is_no_json_is_not_mixpanels() -> None:
    with scripted(Response(content=b"<html>")) as server:
        one = fetcher(server)
        with pytest.raises(RequestRefused, match="not as Mixpanel does"):
            one.json(ReadBack.LOOKUP_TABLES)
        one.close()


def test_a_server_that_is_not_there_is_one_sentence() -> None:
    with scripted(Response()) as server:
        pass
    with pytest.raises(DestinationUnavailable, match="cannot be read after"):
        lines(server)


def reader(record: RecordType, server: Script, **more: Any) -> ProjectReader:
    one = spec(record, **more)
    return reader_for(one, Table(one.table, ()), Identity.SIMPLIFIED, fetcher(server))


def exported(**properties: Any) -> bytes:
    known = {"time": 1_700_000_000_000, "distinct_id": "merged", "$insert_id": "1", "$warehouse_import_id": "event"}
    return json.dumps({"event": "Seen", "properties": known | properties}).encode() + b"\n"


def test_what_mixpanel_adds_to_an_event_is_left_out_and_ids_are_those_that_were_sent() -> None:
    added = {"$city": "Kiel", "mp_country_code": "DE", "mp_processing_time_ms": 17, "$import": True, "n": 2.0}
    with scripted(Response(content=exported(**added, **{"$user_id": "ann"}))) as server:
        one = reader(RecordType.EVENT, server)
        [record] = one.events(["Seen"], 1_700_000_000_000, 1_700_000_000_001)
        one.fetcher.close()
    assert record.identity == ("Seen", "1700000000000", "ann", "1")
    assert (record.properties, record.stamp, record.deleted) == ({"n": 2}, 17, False)


def test_events_of_others_and_of_other_times_are_left_out() -> None:
    content = exported(**{"$warehouse_import_id": "x"}) + exported(time=1_699_999_999_999) + b"\n" + exported()
    with scripted(Response(content=content)) as server:
        one = reader(RecordType.EVENT, server)
        assert len(list(one.events(None, 1_700_000_000_000, 1_700_000_000_001))) == 1
        one.fetcher.close()
    assert "event=" not in server.requests[0].path


def test_a_day_more_is_asked_for_at_either_end_but_none_that_has_not_come() -> None:
    with scripted(Response(content=exported()), Response(content=exported())) as server:
        one = reader(RecordType.EVENT, server)
        list(one.events(None, 1_700_000_000_000, 1_700_000_000_001))
        now = int(time.time() * 1000)
        list(one.events(None, now - 1, now))
        later = time.time()
        one.fetcher.close()
    assert "from_date=2023-11-13&to_date=2023-11-15" in server.requests[0].path
    today = {f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d}" for moment in (now / 1000, later)}  # two at midnight
    assert server.requests[1].path.rpartition("to_date=")[2] in today


def test_events_are_counted_by_name_and_sync_over_days() -> None:
    values = {"Seen": {"2023-11-14": 3, "2023-11-15": 4}}
    with scripted(Response(content={"data": {"series": [], "values": values}, "legend_size": 1})) as server:
        one = reader(RecordType.EVENT, server)
        assert one.count("Seen", 1_699_920_000_000, 1_700_092_800_000) == 7
        one.fetcher.close()
    path, _, query = server.requests[0].path.partition("?")
    asked = dict(parse_qsl(query))
    assert (path, asked["event"], asked["unit"]) == ("/api/query/segmentation", "Seen", "day")
    assert (asked["from_date"], asked["to_date"]) == ("2023-11-14", "2023-11-15")
    assert asked["where"] == 'properties["$warehouse_import_id"] == "event"'


def test_a_group_key_that_mixpanel_does_not_have_is_named() -> None:
    with scripted(Response(content={"results": []})) as server:
        one = reader(RecordType.GROUP, server, group_key="airline")
        with pytest.raises(RequestRefused, match="no group key 'airline'"):
            one.profiles()
        one.fetcher.close()
