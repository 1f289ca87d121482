"""The lease: one run of a sync at a time, dead holders block nobody, and a lease that was lost stops its run."""

import os
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from mixpanel_wh.engine import lease as lease_module
from mixpanel_wh.engine.errors import SyncBusy
from mixpanel_wh.engine.lease import LeaseKeeper
from mixpanel_wh.engine.ports import Warehouse
from mixpanel_wh.engine.state import Lease

HERE = socket.gethostname()


def held_by(warehouse: Warehouse, holder: str, seconds: float = 60) -> None:
    """Somebody holds the lease of `words`."""
    assert warehouse.state.acquire(Lease("words", holder, datetime.now(UTC) + timedelta(seconds=seconds))) is None


def test_a_second_run_is_told_who_holds_the_lease_and_until_when(warehouse: Warehouse) -> None:
    with LeaseKeeper("words", "one", warehouse.state):
        message = rf"sync words is being run by process {os.getpid()} on .*expires at \d\d:\d\d:\d\d UTC"
        with pytest.raises(SyncBusy, match=message):
            LeaseKeeper("words", "two", warehouse.state).__enter__()
        with LeaseKeeper("others", "two", warehouse.state):
            pass
    with LeaseKeeper("words", "two", warehouse.state):
        pass


def test_a_lease_is_given_back_when_the_run_fails(warehouse: Warehouse) -> None:
    with pytest.raises(ArithmeticError), LeaseKeeper("words", "one", warehouse.state):
        raise ArithmeticError
    with LeaseKeeper("words", "two", warehouse.state):
        pass


def test_a_run_that_was_refused_does_not_take_the_holders_lease_away(warehouse: Warehouse) -> None:
    with LeaseKeeper("words", "one", warehouse.state):
        for name in ("two", "three"):
            with pytest.raises(SyncBusy), LeaseKeeper("words", name, warehouse.state):
                pass


def test_the_lease_of_a_process_of_this_machine_that_died_is_taken_at_once(warehouse: Warehouse) -> None:
    command = [sys.executable, "-c", "import os; print(os.getpid())"]
    died = subprocess.run(command, capture_output=True, text=True, check=True)
    held_by(warehouse, f"{HERE}|{died.stdout.strip()}|gone")
    with LeaseKeeper("words", "one", warehouse.state), pytest.raises(SyncBusy):
        LeaseKeeper("words", "two", warehouse.state).__enter__()


@pytest.mark.parametrize("holder", ["elsewhere|1|run", "somebody", f"{HERE}|x|run", f"{HERE}|1|run"])
def test_a_lease_whose_holder_may_live_is_respected_until_it_expires(warehouse: Warehouse, holder: str) -> None:
    held_by(warehouse, holder)
    with pytest.raises(SyncBusy):
        LeaseKeeper("words", "one", warehouse.state).__enter__()
    warehouse.state.release("words", holder)
    held_by(warehouse, holder, seconds=-1)
    with LeaseKeeper("words", "one", warehouse.state):
        pass


def test_a_long_run_pushes_its_expiry_back(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease_module, "LIFETIME", timedelta(seconds=100))
    with LeaseKeeper("words", "one", warehouse.state) as keeper:
        monkeypatch.setattr(lease_module, "LIFETIME", timedelta(seconds=1000))
        keeper.renew()
        assert expiry(warehouse) < timedelta(seconds=101), "not more than once in a while"
        monkeypatch.setattr(lease_module, "RENEW_SECONDS", 0.0)
        keeper.renew()
        assert expiry(warehouse) > timedelta(seconds=900)


def expiry(warehouse: Warehouse) -> timedelta:
    """How long the lease of `words` still holds."""
    held = warehouse.state.acquire(Lease("words", "curious", datetime.now(UTC)))
    assert held is not None
    return held.expires_at - datetime.now(UTC)


def test_a_run_that_lost_its_lease_stops(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease_module, "LIFETIME", timedelta(seconds=-1))
    with LeaseKeeper("words", "slow", warehouse.state) as keeper:
        held_by(warehouse, "elsewhere|1|quick")
        monkeypatch.setattr(lease_module, "RENEW_SECONDS", 0.0)
        with pytest.raises(SyncBusy, match="process 1 on elsewhere"):
            keeper.renew()
    with pytest.raises(SyncBusy):
        LeaseKeeper("words", "third", warehouse.state).__enter__()
