"""Mixpanel's rules for the CSV of a lookup table: RFC 4180, unique headers, a first column unique and never empty."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass

from mixpanel_wh.sandbox import rules
from mixpanel_wh.sandbox.calls import Refusal

csv.field_size_limit(rules.LOOKUP_BYTES)  # Mixpanel bounds the table and not a field of it


@dataclass(frozen=True)
class JudgedTable:
    """How many rows the CSV has, and every rule it breaks by row (0 is the first row after the header)."""

    rows: int
    failed: tuple[tuple[int, Refusal], ...]


def judge_csv(body: bytes) -> JudgedTable:
    """Reads the whole CSV; `failed` is empty when the table may be replaced with it."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return JudgedTable(0, ((0, Refusal("", f"the CSV is not valid UTF-8: {error.reason} at byte {error.start}")),))
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    counted = _Counted(reader)
    failed = tuple(_failures(counted))
    return JudgedTable(counted.rows, failed)


class _Counted:
    """The rows of a CSV, counted as they go by."""

    def __init__(self, reader: Iterator[list[str]]) -> None:
        self._reader = reader
        self.rows = 0

    def header(self) -> list[str]:
        return next(self._reader, [])

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        for row in self._reader:
            if row:
                self.rows += 1
                yield self.rows - 1, row


def _failures(table: _Counted) -> Iterator[tuple[int, Refusal]]:
    try:
        header = table.header()
        problem = _header(header)
        if problem:
            yield 0, problem
        yield from _row_failures(table, len(header))
    except csv.Error as error:
        yield table.rows, Refusal("", f"the CSV is not valid (RFC 4180): {error}")


def _header(header: list[str]) -> Refusal | None:
    if not header:
        return Refusal("", "the CSV needs a header row")
    repeated = next((name for name in header if header.count(name) > 1), None)
    if repeated is not None:
        return Refusal(repeated, f"the header names '{repeated}' more than once")
    return None if all(header) else Refusal("", "a header name is empty")


def _row_failures(table: _Counted, width: int) -> Iterator[tuple[int, Refusal]]:
    seen: set[str] = set()
    for place, row in table:
        if len(row) != width:
            yield place, Refusal("", f"the row has {len(row)} fields and the header has {width}")
        elif not row[0]:
            yield place, Refusal("", "the id (first column) is empty")
        elif row[0] in seen:
            yield place, Refusal("", f"the id '{row[0]}' is not unique")
        seen.add(row[0])
