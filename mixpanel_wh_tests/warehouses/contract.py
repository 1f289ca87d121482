"""The contract that every warehouse must pass.

A warehouse's own test file has one class that takes it over and says on what ground it stands:

    class TestDuckDB(WarehouseContract):
        @pytest.fixture
        def ground(self, tmp_path: Path) -> Iterator[Ground]: ...

The ground opens the warehouse, runs SQL beside it, and lists the warehouse's column types and names of types. The
contract knows ports only, so a warehouse may find changes by hashes or by any way of its own.
"""

from collections.abc import Iterator

import pytest

from mixpanel_wh.engine.ports import Warehouse
from mixpanel_wh_tests.warehouses.contract_changes import ChangesContract
from mixpanel_wh_tests.warehouses.contract_drift import DriftContract
from mixpanel_wh_tests.warehouses.contract_keeping import KeepingContract
from mixpanel_wh_tests.warehouses.contract_moments import MomentsContract
from mixpanel_wh_tests.warehouses.contract_reading import ReadingContract
from mixpanel_wh_tests.warehouses.contract_settling import SettlingContract
from mixpanel_wh_tests.warehouses.contract_windows import WindowsContract
from mixpanel_wh_tests.warehouses.ground import Ground


class WarehouseContract(
    ReadingContract,
    MomentsContract,
    WindowsContract,
    ChangesContract,
    DriftContract,
    SettlingContract,
    KeepingContract,
):
    """Everything that the engine relies on."""

    @pytest.fixture
    def warehouse(self, ground: Ground) -> Iterator[Warehouse]:
        """The warehouse, open."""
        opened = ground.open()
        yield opened
        opened.close()
