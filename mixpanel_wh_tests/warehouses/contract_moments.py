"""The contract's part on moments: an event's time from every type that holds one, zones, and parts of a table."""

from datetime import UTC, datetime

import pytest

from mixpanel_wh.engine import batches
from mixpanel_wh.engine.ports import Part, Warehouse
from mixpanel_wh_tests.warehouses.asking import Asked, Row, event_spec, read
from mixpanel_wh_tests.warehouses.ground import Ground


def ms(text: str) -> int:
    """Milliseconds since the epoch of a moment in UTC."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


NOON = ms("2024-03-01 12:00:00")
NOON_IN_NEW_YORK = ms("2024-03-01 17:00:00")


class MomentsContract(Asked):
    """How a warehouse reads moments."""

    def moments(
        self, ground: Ground, warehouse: Warehouse, type: str, values: list[object], **more: str
    ) -> list[object]:
        """The times that an event sync reads from a column of that type, in the order of the values."""
        table = ground.make("moments", {"id": ground.kinds.integer, "at": type}, list(enumerate(values)))
        rows: list[Row] = read(warehouse, event_spec(table, **more))
        found = {int(row[batches.KEY]): row[batches.TIME] for row in rows}
        return [found[n] for n in range(len(values))]

    def test_a_timestamp_without_a_zone_is_read_in_the_zone_of_the_sync(
        self, ground: Ground, warehouse: Warehouse
    ) -> None:
        values: list[object] = ["2024-03-01 12:00:00", "2024-07-01 12:00:00", "1969-12-31 23:59:59.5", None]
        kind = ground.kinds.timestamp
        assert self.moments(ground, warehouse, kind, values) == [NOON, ms("2024-07-01 12:00:00"), -500, None]
        found = self.moments(ground, warehouse, kind, values[:2], timezone="America/New_York")
        assert found == [NOON_IN_NEW_YORK, ms("2024-07-01 16:00:00")]

    def test_a_timestamp_with_a_zone_is_a_moment_whatever_the_sync_says(
        self, ground: Ground, warehouse: Warehouse
    ) -> None:
        values: list[object] = ["2024-03-01 12:00:00+00", "2024-03-01 12:00:00-05", None]
        for zone in ("UTC", "America/New_York"):
            found = self.moments(ground, warehouse, ground.kinds.timestamp_tz, values, timezone=zone)
            assert found == [NOON, NOON_IN_NEW_YORK, None]

    def test_a_date_is_the_midnight_at_which_it_begins(self, ground: Ground, warehouse: Warehouse) -> None:
        assert self.moments(ground, warehouse, ground.kinds.date, ["2024-03-01", None]) == [ms("2024-03-01"), None]
        found = self.moments(ground, warehouse, ground.kinds.date, ["2024-03-01"], timezone="America/New_York")
        assert found == [ms("2024-03-01 05:00:00")]

    def test_numbers_are_seconds_or_milliseconds(self, ground: Ground, warehouse: Warehouse) -> None:
        values: list[object] = [NOON // 1000, NOON, 0, -1, None]
        assert self.moments(ground, warehouse, ground.kinds.integer, values) == [NOON, NOON, 0, -1000, None]
        values = [NOON / 1000 + 0.25, float(NOON), None]
        assert self.moments(ground, warehouse, ground.kinds.double, values) == [NOON + 250, NOON, None]

    def test_numbers_that_are_no_moments_are_none(self, ground: Ground, warehouse: Warehouse) -> None:
        values: list[object] = ["NaN", "Infinity", "-Infinity", 1e300]
        assert self.moments(ground, warehouse, ground.kinds.double, values) == [None] * 4

    def test_text_is_read_as_iso_8601(self, ground: Ground, warehouse: Warehouse) -> None:
        values: list[object] = [
            "2024-03-01T12:00:00Z",
            "2024-03-01 12:00:00",
            "2024-03-01T12:00:00-05:00",
            "soon",
            "",
            None,
        ]
        found = self.moments(ground, warehouse, ground.kinds.text, values)
        assert found == [NOON, NOON, NOON_IN_NEW_YORK, None, None, None]
        found = self.moments(ground, warehouse, ground.kinds.text, values[:3], timezone="America/New_York")
        assert found == [NOON, NOON_IN_NEW_YORK, NOON_IN_NEW_YORK]

    def test_a_boolean_is_no_moment(self, ground: Ground, warehouse: Warehouse) -> None:
        assert self.moments(ground, warehouse, ground.kinds.boolean, ["true"]) == [None]

    @pytest.mark.parametrize(
        ("part", "expected"),
        [
            (Part("at", ms("2024-03-01"), ms("2024-03-02")), [0, 1]),
            (Part("at", ms("2024-03-01 00:00:01"), None), [1, 2]),
            (Part("at", None, ms("2024-03-01 00:00:01")), [0]),
            (Part("at", ms("2024-03-05"), None), []),
            (Part(), [0, 1, 2, 3]),
        ],
    )
    def test_a_part_holds_the_rows_from_its_start_up_to_its_end(
        self, ground: Ground, warehouse: Warehouse, part: Part, expected: list[int]
    ) -> None:
        values = ["2024-03-01 00:00:00", "2024-03-01 23:59:59.999", "2024-03-02 00:00:00", None]
        kinds = ground.kinds
        table = ground.make("moments", {"id": kinds.integer, "at": kinds.timestamp}, list(enumerate(values)))
        spec = event_spec(table)
        assert sorted(int(row[batches.KEY]) for row in read(warehouse, spec, part)) == expected
        assert warehouse.tables.count(spec, part) == len(expected)

    def test_a_part_of_a_few_rows_counts_no_more_than_there_are(self, ground: Ground, warehouse: Warehouse) -> None:
        kinds = ground.kinds
        rows = [(n, "2024-03-01") for n in range(3)]
        table = ground.make("moments", {"id": kinds.integer, "at": kinds.timestamp}, rows)
        assert warehouse.tables.count(event_spec(table), Part(rows=2)) == 2
        assert warehouse.tables.count(event_spec(table), Part(rows=9)) == 3
