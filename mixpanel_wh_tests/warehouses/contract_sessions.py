"""The contract on several sessions of one server at once, and on one that the server ends.

A file of each warehouse gives its `ground` in a fixture of its own.
"""

from contextlib import closing
from datetime import UTC, datetime, timedelta
from threading import Thread
from typing import ClassVar

import pytest

from mixpanel_wh.engine.errors import WarehouseUnavailable
from mixpanel_wh.engine.state import Lease
from mixpanel_wh_tests.warehouses.asking import user_spec
from mixpanel_wh_tests.warehouses.ground import Ground

RUNS = 6


class SessionsContract:
    """What runs that know nothing of each other rely on."""

    def test_of_runs_that_start_at_once_one_gets_the_lease(self, ground: Ground) -> None:
        found: list[Lease | None] = []
        warehouses = [ground.open() for _ in range(RUNS)]

        def ask(number: int) -> None:
            mine = Lease("plain", f"run {number}", datetime.now(UTC) + timedelta(minutes=1))
            found.append(warehouses[number].state.acquire(mine))

        threads = [Thread(target=ask, args=(number,)) for number in range(RUNS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for warehouse in warehouses:
            warehouse.close()
        assert len(found) == RUNS
        assert found.count(None) == 1


class EndedSessionsContract(SessionsContract):
    """The same, and what follows where the server ends a session as Postgres does."""

    told: ClassVar[str | None] = None
    """What the sentence about it says."""

    def test_a_connection_that_the_server_ends_is_an_outage_and_the_next_statement_has_another(
        self, ground: Ground
    ) -> None:
        spec = user_spec(ground.fill("many", 10))
        with closing(ground.open()) as warehouse:
            assert warehouse.tables.count(spec) == 10
            ground.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'mixpanel_wh'")
            with pytest.raises(WarehouseUnavailable, match=self.told):
                warehouse.tables.count(spec)
            assert warehouse.tables.count(spec) == 10
