"""What a run says while it goes on, and how it ends when it is told to."""

import logging
import signal

import dagster as dg
import pytest

from mixpanel_wh.defs.running import LOG_EVERY_SECONDS, ProgressLog, failures, progress_line, result_line
from mixpanel_wh.defs.settings import sync_spec
from mixpanel_wh.engine.errors import SourceError
from mixpanel_wh.engine.result import RunResult
from mixpanel_wh.engine.run import Progress

PLANES = sync_spec("planes", table="main.planes", record="user", mode="full", distinct_id="tailnum")
HALFWAY = Progress("planes", rows=50_000, total=100_000, seconds=10.0, rejected=3)


def test_progress_tells_rows_share_rate_time_left_and_rejections() -> None:
    assert progress_line(HALFWAY) == (
        "planes: 50,000 of 100,000 (50 %) rows, 5,000 rows/s, about 10 s left, 3 rejected"
    )


def test_progress_without_a_known_total_tells_what_is_known() -> None:
    assert progress_line(Progress("planes", 500, None, 1.0, 0)) == "planes: 500 rows, 500 rows/s"


def test_progress_is_logged_every_few_seconds_however_often_it_is_told(caplog: pytest.LogCaptureFixture) -> None:
    log = ProgressLog(logging.getLogger("progress"))
    with caplog.at_level(logging.INFO, "progress"):
        for _ in range(3):
            log(HALFWAY)
        log.last -= LOG_EVERY_SECONDS
        for _ in range(3):
            log(HALFWAY)
    assert len(caplog.records) == 1


def test_a_runs_numbers_stand_in_one_line() -> None:
    result = RunResult("planes", "full", "user", "r", rows_read=7, inserted=7, accepted=6, rejected=1, requests=1)
    assert "7 rows read (7 inserted, 0 updated, 0 deleted), 6 accepted, 1 rejected" in result_line(result)


def test_what_stops_a_run_becomes_a_failure_that_is_not_retried_and_keeps_its_numbers() -> None:
    error = SourceError("there is no table main.planes")
    error.result = RunResult("planes", "full", "user", "r", status="failed", rows_read=3)
    with pytest.raises(dg.Failure) as caught, failures(PLANES):
        raise error
    assert caught.value.description == "there is no table main.planes"
    assert caught.value.allow_retries is False
    assert caught.value.metadata["mixpanel/rows_read"].value == 3


def test_an_interrupt_becomes_a_failure_that_says_what_happens_next() -> None:
    with pytest.raises(dg.Failure, match="the next run finishes what it started") as caught, failures(PLANES):
        raise dg.DagsterExecutionInterruptedError
    assert caught.value.allow_retries is False


def test_a_bug_stays_a_bug() -> None:
    with pytest.raises(ZeroDivisionError), failures(PLANES):
        _ = 1 / 0


def test_a_signal_that_a_driver_made_an_error_of_its_own_of_is_an_end_from_outside() -> None:
    def query() -> None:
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            raise RuntimeError("query interrupted") from None

    with pytest.raises(dg.Failure, match="sync planes was ended from outside") as caught, failures(PLANES):
        query()
    assert caught.value.allow_retries is False
