"""What is remembered between runs survives being written by another version."""

from dataclasses import fields

import pytest

from mixpanel_wh.engine.errors import (
    ConfigError,
    CredentialsRefused,
    DestinationError,
    DuplicateKeys,
    MissingDriver,
    MixpanelWhError,
    SourceError,
)
from mixpanel_wh.engine.result import Rejection, RunResult
from mixpanel_wh.engine.state import Checkpoint, Pending

PENDING = Pending("run", "now", rows=9, acknowledged=4, properties=("a", "b"), stopped=True)


def test_state_comes_back_from_its_own_values() -> None:
    checkpoint = Checkpoint(epoch=2, cursor="x", properties=("a",), done=True)
    assert Checkpoint.from_dict(checkpoint.as_dict()) == checkpoint
    assert Pending.from_dict(PENDING.as_dict()) == PENDING


def test_values_that_a_newer_version_added_are_left_out() -> None:
    assert Checkpoint.from_dict({"epoch": 1, "colour": "red"}) == Checkpoint(epoch=1)
    assert Pending.from_dict({**PENDING.as_dict(), "colour": "red"}) == PENDING


def test_values_that_an_older_version_did_not_write_are_at_their_defaults() -> None:
    assert Checkpoint.from_dict({}) == Checkpoint()
    assert Pending.from_dict({"run_id": "r", "started_at": "s"}) == Pending("r", "s")


def test_answers_change_nothing_else_of_a_pending_run() -> None:
    answered = PENDING.answered(7, 5, 2)
    changed = {field.name for field in fields(Pending) if getattr(answered, field.name) != getattr(PENDING, field.name)}
    assert changed == {"acknowledged", "accepted", "rejected"}


def test_a_result_is_ready_for_json_and_may_change_its_status() -> None:
    result = RunResult("s", "mirror", "event", "r", rows_read=2, rejections=(Rejection("k", None, "why"),))
    assert result.as_dict()["rejections"] == ({"row_key": "k", "column": None, "reason": "why", "origin": "rules"},)
    failed = result.with_status("failed", "because")
    assert (failed.status, failed.message, failed.rows_read) == ("failed", "because", 2)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ConfigError(["a", "b"]), 2),
        (MissingDriver("snowflake"), 2),
        (SourceError("x"), 1),
        (CredentialsRefused("x"), 1),
    ],
)
def test_errors_say_how_a_command_ends(error: MixpanelWhError, status: int) -> None:
    assert error.exit_status == status
    assert error.result is None


def test_errors_are_grouped_by_what_to_do_next() -> None:
    assert issubclass(DuplicateKeys, SourceError)
    assert issubclass(CredentialsRefused, DestinationError)
    assert str(ConfigError(["one", "two"])) == "one\ntwo"
    assert "pip install 'mixpanel-wh[snowflake]'" in str(MissingDriver("snowflake"))
