"""Comparing what the encoder wrote with what the reference says, value by value."""

import csv
import io
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pyarrow as pa

from mixpanel_wh.engine.batches import Encoded
from mixpanel_wh.engine.ports import Column, Encoder, Table
from mixpanel_wh.engine.spec import RecordType, SyncSpec
from mixpanel_wh.mixpanel.records import encoder_for
from mixpanel_wh.mixpanel.settings import ProjectSettings
from mixpanel_wh_tests.mixpanel.records.reference import Outcome, Reference, Rejected

csv.field_size_limit(2**30)


@dataclass(frozen=True)
class Case:
    """A sync, the project it goes to, and a batch; `json_types` are the columns that hold JSON text."""

    spec: SyncSpec
    settings: ProjectSettings
    batch: pa.RecordBatch
    json_types: frozenset[str] = frozenset()
    dropped: tuple[str, ...] = ()

    @property
    def encoder(self) -> Encoder:
        """The encoder under test."""
        names = [name for name in self.batch.schema.names if not name.startswith("_mp_")]
        columns = tuple(Column(name, "JSON" if name in self.json_types else "OTHER") for name in names)
        return encoder_for(self.spec, Table(self.spec.table, columns), 0, self.dropped, self.settings, "duckdb")

    @property
    def expected(self) -> list[Outcome]:
        """What the reference makes of the batch."""
        return Reference(self.spec, self.settings, self.json_types, self.dropped).rows(self.batch)

    def check(self) -> Encoded:
        """Encode, and hold every row against the reference."""
        encoded = self.encoder.encode(self.batch)
        rejected = {} if encoded.rejected is None else {row["row"]: row for row in encoded.rejected.to_pylist()}
        assert encoded.rows == self.batch.num_rows
        for row, expected in enumerate(self.expected):
            line = encoded.lines[row].as_py()
            if isinstance(expected, Rejected):
                assert line is None, (row, expected, line[:300])
                assert rejected[row]["column"] == expected.column, (expected, rejected[row])
                assert rejected[row]["reason"]
            else:
                assert row not in rejected, rejected[row]
                found = records_of(line, self.spec.record)
                assert len(found) <= encoded.records_per_row
                assert same(expected, found, self.spec.record is RecordType.LOOKUP), (expected, found)
        assert len(rejected) == encoded.lines.null_count
        return encoded


def records_of(line: str, record: RecordType) -> list[Any]:
    """The records of a line, parsed strictly: one line each, no NaN, no key twice."""
    if record is RecordType.LOOKUP:
        return list(csv.reader(io.StringIO(line, newline=""), strict=True))
    if record is RecordType.EVENT:
        assert line == "" or line.endswith("\n")
        return [strict(one) for one in line.split("\n")[:-1]]
    found = list(strict(f"[{line[1:]}]"))
    assert line == "" or (line.endswith("\n") and line.count("\n") == len(found))
    return found


def strict(text: str) -> Any:
    """A JSON text read by the letter, numbers exact."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len(dict(pairs)) == len(pairs), f"a key twice in {pairs}"
        return dict(pairs)

    def never(word: str) -> Any:
        raise AssertionError(f"{word} is not JSON")

    return json.loads(text, parse_float=Decimal, parse_constant=never, object_pairs_hook=once)


def same(expected: Any, found: Any, in_csv: bool = False) -> bool:
    """Whether a value of the reference was written as `found`."""
    if in_csv and isinstance(found, str):
        return same_field(expected, found)
    if isinstance(expected, dict):
        return isinstance(found, dict) and expected.keys() == found.keys() and all(
            same(value, found[key]) for key, value in expected.items())  # fmt: skip
    if isinstance(expected, list):
        return isinstance(found, Sequence) and len(expected) == len(found) and all(
            same(one, other, in_csv) for one, other in zip(expected, found, strict=True))  # fmt: skip
    if isinstance(expected, float):
        return type(found) in (int, Decimal) and _same_float(expected, float(found))
    if isinstance(expected, Decimal):
        return type(found) in (int, Decimal) and bool(expected == found)
    return type(expected) is type(found) and bool(expected == found)


def same_field(expected: Any, found: str) -> bool:
    """The same for a CSV field: text as it is, anything else as the JSON that it holds."""
    return expected == found if isinstance(expected, str) else same(expected, strict(found))


def _same_float(expected: float, found: float) -> bool:
    return expected == found and math.copysign(1, expected) == math.copysign(1, found)
