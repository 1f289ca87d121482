"""The table that acceptance tests sync from Databricks in every legal way: the same columns as elsewhere, and more types."""

import json
from dataclasses import dataclass
from typing import Any

from mixpanel_wh_tests.acceptance.server_visits import ServerVisits
from mixpanel_wh_tests.warehouses.databricks_ground import DatabricksGround
from mixpanel_wh_tests.warehouses.ground import Ground

COLUMNS = {
    "id": ("STRING", "concat('v', n)"),
    "at": ("TIMESTAMP_NTZ", "TIMESTAMP_NTZ '2024-03-01 00:00:00' + n * INTERVAL '977' SECOND"),
    "who": ("STRING", "CASE WHEN n % 5 <> 0 THEN concat('user ', n % 7) END"),
    "label": ("STRING", "CASE WHEN n % 3 = 0 THEN concat('naïve \"', n, '\"\\n\\\\\\t🙂') END"),
    "amount": ("BIGINT", "CASE WHEN n % 4 = 0 THEN 9007199254740992 + n ELSE n END"),
    "ratio": ("DOUBLE", "CASE WHEN n % 6 = 0 THEN CAST('NaN' AS DOUBLE) ELSE n / 3 END"),
    "price": ("DECIMAL(12,2)", "CAST(n / 4 AS DECIMAL(12,2))"),
    "active": ("BOOLEAN", "CASE n % 3 WHEN 0 THEN true WHEN 1 THEN false END"),
    "born": ("DATE", "date_add(DATE '1999-12-31', CAST(n AS INT))"),
    "seen": ("TIMESTAMP", "TIMESTAMP '2024-03-01 10:00:00.25+00:00' + n * INTERVAL '1' HOUR"),
    "tags": ("ARRAY<STRING>", "CASE WHEN n % 2 = 0 THEN array('a', NULL, concat('b\"', n)) END"),
    "place": ("STRUCT<city: STRING, lat: DOUBLE>", "named_struct('city', concat('c', n), 'lat', CAST(n AS DOUBLE) / 8)"),
    "raw": ("BINARY", "CASE WHEN n % 4 = 1 THEN X'00FF' END"),
    "written": ("TIMESTAMP_NTZ", "TIMESTAMP_NTZ '2024-03-01 00:00:00' + (n DIV 4) * INTERVAL '1' MINUTE"),
    "total": ("DECIMAL(30,9)", "CAST(n AS DECIMAL(30,9)) / 8"),
    "paper": ("VARIANT", "CASE WHEN n % 3 = 1 THEN parse_json(concat('[', n, ',null]')) END"),
    "counts": ("MAP<STRING, BIGINT>", "map(concat('k', n), CASE WHEN n % 2 = 0 THEN n END)"),
    "deep": ("ARRAY<STRUCT<n: BIGINT>>", "array(named_struct('n', n), NULL)"),
}
ANY = "id IN (SELECT id FROM visits ORDER BY md5(concat(id, {seed})) LIMIT {rows})"
EDITS = {
    "relabel": "UPDATE visits SET label = 'label {seed}' WHERE " + ANY,
    "clear": "UPDATE visits SET label = NULL, tags = NULL, place = NULL, total = NULL WHERE " + ANY,
    "move": "UPDATE visits SET `at` = `at` + INTERVAL '1' SECOND * ({seed} + 1) WHERE " + ANY,
    "hand over": "UPDATE visits SET who = 'user {seed}' WHERE " + ANY,
    "lose": "UPDATE visits SET who = NULL WHERE " + ANY,
    "delete": "DELETE FROM visits WHERE " + ANY,
    "back and forth": "UPDATE visits SET amount = amount WHERE " + ANY,
    "add a column": "ALTER TABLE visits ADD COLUMN added STRING",
    "fill the column": "UPDATE visits SET added = 'value {seed}' WHERE " + ANY,
    "drop a column": "ALTER TABLE visits DROP COLUMN ratio",
    "rebuild": "CREATE OR REPLACE TABLE visits {properties} AS SELECT * FROM visits ORDER BY md5(concat(id, {seed}))",
    "double": "INSERT INTO visits SELECT * FROM visits WHERE " + ANY,
}


@dataclass(frozen=True)
class DatabricksVisits(ServerVisits):
    """The table as a Delta table."""

    def make(self, ground: Ground, rows: int) -> None:
        """The table, with so many rows of every type."""
        ground.make("visits", {name: type for name, (type, _) in COLUMNS.items()})
        self.more(ground, 0, rows)

    def more(self, ground: Ground, first: int, last: int) -> None:
        """Rows of the same kind, in the columns that are there."""
        there = [name for name in self.columns(ground) if name in COLUMNS]
        listed, values = ", ".join(f"`{name}`" for name in there), ", ".join(COLUMNS[name][1] for name in there)
        made = f"SELECT {values} FROM (SELECT id AS n FROM range({first}, {last})) AS made"
        ground.run(f"INSERT INTO visits ({listed}) {made}")

    def keep_shape(self, ground: Ground) -> None:
        """Rows are made in whatever columns are there."""

    @property
    def made(self) -> list[str]:
        """The columns of the table as it was made."""
        return list(COLUMNS)

    def columns(self, ground: Ground) -> list[str]:
        """The columns of the table as it is."""
        return [str(row[0]) for row in ground.rows("DESCRIBE TABLE visits")]

    def table_rows(self, ground: Ground) -> list[dict[str, Any]]:
        """Every row of the table."""
        names = self.columns(ground)
        return [{name: _plain(name, value) for name, value in zip(names, row, strict=True)}
                for row in ground.rows("SELECT * FROM visits")]  # fmt: skip

    def edit(self, ground: Ground, name: str, seed: int, rows: int, keyed: bool) -> None:
        """One edit; a column is added and dropped once."""
        there = self.columns(ground)
        if (name == "add a column" and "added" in there) or (name == "drop a column" and "ratio" not in there):
            return
        super().edit(ground, name, seed, rows, keyed)

    def run(self, ground: Ground, statement: str, **more: object) -> None:
        """Run a statement; a table made anew gets the properties that it had."""
        assert isinstance(ground, DatabricksGround)
        super().run(ground, statement, properties=ground.properties(), **more)


def _plain(name: str, value: Any) -> Any:
    """A value as the other rows of these tests have it: JSON and maps as what they hold."""
    if value is None:
        return None
    return json.loads(value) if name == "paper" else dict(value) if name == "counts" else value


VISITS = DatabricksVisits("databricks", edits=EDITS)
