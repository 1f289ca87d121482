"""The contract's part on change of shape: columns that come, go, and change name or type, and syncs that are edited.

The rule: a row is sent again when the record made of it would differ, and only then.
"""

from typing import Any

import pytest

from mixpanel_wh.engine import batches
from mixpanel_wh.engine.ports import Warehouse
from mixpanel_wh.engine.spec import Properties, RecordType
from mixpanel_wh_tests.warehouses.asking import Asked, Mirroring, event_spec, lookup_spec, ops, tally, user_spec
from mixpanel_wh_tests.warehouses.ground import Ground

DAY = "2024-03-01 12:00:00"


class DriftContract(Asked):
    """What a new shape of table or sync sends again."""

    def mirrored(self, ground: Ground, warehouse: Warehouse, **more: Any) -> Mirroring:
        """A sync that has sent two people, one of them with nothing but an id."""
        rows: list[tuple[object, ...]] = [("a", "Ann", 1), ("b", None, None)]
        sync = Mirroring(warehouse, user_spec(self.people(ground, rows), **more))
        assert tally(sync.run()) == {"insert": 2}
        return sync

    def test_an_added_empty_column_sends_nothing(self, ground: Ground, warehouse: Warehouse) -> None:
        sync = self.mirrored(ground, warehouse)
        ground.add_column("people", "city", ground.kinds.text)
        assert sync.run() == []
        ground.change("people", "city", "Oslo", ground.kinds.text, "id = 'b'")
        (row,) = sync.run()
        assert (row[batches.KEY], row[batches.OP], row["city"]) == ("b", "update", "Oslo")

    def test_an_added_empty_column_sends_nothing_of_rows_without_a_key(
        self, ground: Ground, warehouse: Warehouse
    ) -> None:
        rows: list[tuple[object, ...]] = [(1, DAY, "ann", "home")] * 2 + [(2, DAY, None, None)]
        sync = Mirroring(warehouse, event_spec(self.visits(ground, rows), row_key=()))
        sync.run()
        ground.add_column("visits", "city", ground.kinds.text)
        assert sync.run() == []

    def test_a_dropped_column_sends_the_rows_that_had_a_value_in_it(self, ground: Ground, warehouse: Warehouse) -> None:
        sync = self.mirrored(ground, warehouse)
        columns = {"id": ground.kinds.text, "name": ground.kinds.text}
        ground.make("people", columns, [("a", "Ann"), ("b", None)])
        (row,) = sync.run()
        assert (row[batches.KEY], row[batches.OP]) == ("a", "update")
        assert "age" not in row
        assert sync.run() == []

    def test_a_renamed_column_sends_the_rows_that_have_a_value_in_it(
        self, ground: Ground, warehouse: Warehouse
    ) -> None:
        sync = self.mirrored(ground, warehouse)
        columns = {"id": ground.kinds.text, "full_name": ground.kinds.text, "age": ground.kinds.integer}
        ground.make("people", columns, [("a", "Ann", 1), ("b", None, None)])
        assert ops(sync.run()) == {"a": "update"}

    def test_a_renamed_column_whose_property_keeps_its_name_sends_nothing(
        self, ground: Ground, warehouse: Warehouse
    ) -> None:
        sync = self.mirrored(ground, warehouse)
        columns = {"id": ground.kinds.text, "full_name": ground.kinds.text, "age": ground.kinds.integer}
        ground.make("people", columns, [("a", "Ann", 1), ("b", None, None)])
        assert sync.under(properties=Properties(rename={"full_name": "name"})).run() == []

    def test_a_column_retyped_to_text_sends_the_rows_that_have_a_value_in_it(
        self, ground: Ground, warehouse: Warehouse
    ) -> None:
        sync = self.mirrored(ground, warehouse)
        columns = dict.fromkeys(("id", "name", "age"), ground.kinds.text)
        ground.make("people", columns, [("a", "Ann", "1"), ("b", None, None)])
        (row,) = sync.run()
        assert (row[batches.KEY], row["age"]) == ("a", "1")

    def test_columns_in_another_order_send_nothing(self, ground: Ground, warehouse: Warehouse) -> None:
        sync = self.mirrored(ground, warehouse)
        turned = dict(reversed(self.people_columns(ground).items()))
        ground.make("people", turned, [(None, None, "b"), (1, "Ann", "a")])
        assert sync.run() == []

    def test_changes_in_columns_that_are_not_sent_send_nothing(self, ground: Ground, warehouse: Warehouse) -> None:
        sync = self.mirrored(ground, warehouse, properties=Properties(deny=("age",)))
        ground.change("people", "age", 77, ground.kinds.integer)
        assert sync.run() == []

    @pytest.mark.parametrize(
        ("properties", "expected"),
        [
            (Properties(deny=("age",)), {"a": "update"}),
            (Properties(allow=("name",)), {"a": "update"}),
            (Properties(allow=("name", "age")), {}),
            (Properties(rename={"age": "years"}), {"a": "update"}),
            (Properties(hash=("name",)), {"a": "update"}),
            (Properties(send_nulls=True), {"b": "update"}),
        ],
    )
    def test_an_edited_sync_sends_the_rows_whose_record_differs(
        self, ground: Ground, warehouse: Warehouse, properties: Properties, expected: dict[str, str]
    ) -> None:
        sync = self.mirrored(ground, warehouse).under(properties=properties)
        assert ops(sync.run()) == expected
        assert sync.run() == []

    def test_an_empty_column_that_is_added_while_nulls_are_sent_sends_every_row(
        self, ground: Ground, warehouse: Warehouse
    ) -> None:
        sync = self.mirrored(ground, warehouse, properties=Properties(send_nulls=True))
        ground.add_column("people", "city", ground.kinds.text)
        assert ops(sync.run()) == {"a": "update", "b": "update"}

    def test_another_event_name_sends_every_row_under_it(self, ground: Ground, warehouse: Warehouse) -> None:
        sync = Mirroring(warehouse, event_spec(self.visits(ground, [(1, DAY, "ann", "home")])))
        sync.run()
        (row,) = sync.under(event_name="Viewed").run()
        assert (row[batches.OP], row[batches.EVENT], row[batches.OLD_EVENT]) == ("update", "Viewed", "Seen")

    def test_another_time_zone_sends_the_rows_whose_moments_move(self, ground: Ground, warehouse: Warehouse) -> None:
        sync = Mirroring(warehouse, event_spec(self.visits(ground, [(1, DAY, "ann", "home"), (2, None, "bob", "x")])))
        sync.run()
        moved = sync.under(timezone="America/New_York")
        (row,) = moved.run()
        assert (row[batches.KEY], row[batches.TIME] - row[batches.OLD_TIME]) == ("1", 5 * 3_600_000)
        assert moved.run() == []

    def test_another_time_zone_sends_rows_whose_properties_move(self, ground: Ground, warehouse: Warehouse) -> None:
        columns = {"id": ground.kinds.text, "since": ground.kinds.timestamp, "seen": ground.kinds.timestamp_tz}
        rows = [("a", DAY, None), ("b", None, f"{DAY}+00"), ("c", None, None)]
        sync = Mirroring(warehouse, user_spec(ground.make("people", columns, rows)))
        sync.run()
        assert ops(sync.under(timezone="America/New_York").run()) == {"a": "update"}

    def test_a_timestamp_that_gets_a_zone_sends_nothing_where_its_moment_stays(
        self, ground: Ground, warehouse: Warehouse
    ) -> None:
        columns = {"id": ground.kinds.text, "since": ground.kinds.timestamp}
        spec = user_spec(ground.make("people", columns, [("a", DAY)]))
        plain, eastern = (
            Mirroring(warehouse, spec),
            Mirroring(warehouse, spec).under(name="e", timezone="America/New_York"),
        )
        plain.run()
        eastern.run()
        ground.make("people", columns | {"since": ground.kinds.timestamp_tz}, [("a", f"{DAY}+00")])
        assert plain.run() == []
        assert ops(eastern.run()) == {"a": "update"}

    def test_another_row_key_replaces_every_row(self, ground: Ground, warehouse: Warehouse) -> None:
        sync = Mirroring(warehouse, event_spec(self.visits(ground, [(1, DAY, "ann", "home"), (2, DAY, "bob", "x")])))
        sync.run()
        assert tally(sync.under(row_key=("who",)).run()) == {"insert": 2, "delete": 2}

    def test_another_group_key_sends_every_row(self, ground: Ground, warehouse: Warehouse) -> None:
        group = self.mirrored(ground, warehouse).under(
            name="groups", record=RecordType.GROUP, distinct_id=None, group_key="team", group_id="id"
        )
        assert tally(group.run()) == {"insert": 2}
        assert tally(group.under(group_key="club").run()) == {"update": 2}

    def test_another_lookup_table_has_another_fingerprint(self, ground: Ground, warehouse: Warehouse) -> None:
        table = self.people(ground, [("a", "Ann", 1)])
        first = warehouse.tables.fingerprint(lookup_spec(table))
        assert warehouse.tables.fingerprint(lookup_spec(table, lookup_table_id="others")) != first
        assert warehouse.tables.fingerprint(lookup_spec(table)) == first

    def test_a_staged_change_keeps_the_shape_that_it_was_staged_in(self, ground: Ground, warehouse: Warehouse) -> None:
        sync = self.mirrored(ground, warehouse)
        ground.change("people", "age", 5, ground.kinds.integer, "id = 'a'")
        sync.stage()
        ground.make("people", {"id": ground.kinds.text, "city": ground.kinds.text}, [("a", "Oslo")])
        (row,) = sync.changes()
        assert (row["name"], row["age"]) == ("Ann", 5)
        assert "city" not in row
        sync.acknowledge(1)
        sync.commit()
        assert ops(sync.run()) == {"a": "update", "b": "delete"}
