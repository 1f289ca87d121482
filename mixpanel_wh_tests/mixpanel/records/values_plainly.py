"""What one Arrow value becomes in JSON, told plainly: one scalar at a time, without SQL.

Numbers stay exact: integers are `int`, decimals `Decimal`, floats `float`. `None` stands for absent (or `null`
inside lists and objects).
"""

import base64
import json
import math
import uuid
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa

PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
EPOCH = datetime(1970, 1, 1)
FIRST = int((datetime(1, 1, 1) - EPOCH).total_seconds())
LAST = int((datetime(9999, 12, 31, 23, 59, 59) - EPOCH).total_seconds())


class Bad(Exception):
    """Why a value cannot be sent."""


def plain(scalar: pa.Scalar, zone: str = "UTC") -> Any:
    """The JSON value of a scalar; Bad for text that is not UTF-8."""
    if not scalar.is_valid:
        return None
    kind = scalar.type
    if isinstance(kind, pa.BaseExtensionType):
        stored = scalar.value.as_py()
        if kind.extension_name == "arrow.uuid":
            return str(uuid.UUID(bytes=stored))
        return bool(stored) if kind.extension_name == "arrow.bool8" else stored
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        return plain(scalar.value, zone)
    return _by_kind(kind)(scalar, kind, zone)


def number(value: int) -> int | str:
    """An integer, or its text where a double could not hold it."""
    return value if -(2**53) <= value <= 2**53 else str(value)


def _by_kind(kind: pa.DataType) -> Callable[[pa.Scalar, pa.DataType, str], Any]:
    is_ = pa.types
    found: dict[Callable[[Any], bool], Callable[[pa.Scalar, pa.DataType, str], Any]] = {
        is_.is_boolean: lambda scalar, kind, zone: scalar.as_py(),
        is_.is_integer: lambda scalar, kind, zone: number(scalar.as_py()),
        is_.is_floating: lambda scalar, kind, zone: _finite(float(scalar.as_py())),
        is_.is_decimal: _decimal,
        is_.is_timestamp: lambda scalar, kind, zone: moment(scalar.value, kind.unit, kind.tz, zone),
        is_.is_date32: lambda scalar, kind, zone: day(scalar.value),
        is_.is_date64: lambda scalar, kind, zone: day(scalar.value // 86_400_000),
        is_.is_time: lambda scalar, kind, zone: _time(scalar.value, kind.unit),
        is_.is_duration: lambda scalar, kind, zone: float(scalar.value) / PER_SECOND[kind.unit],
        is_.is_interval: lambda scalar, kind, zone: _interval(*scalar.as_py()),
        is_.is_struct: _struct,
        is_.is_map: _map,
    }
    for check, read in found.items():
        if check(kind):
            return read
    return _list if hasattr(kind, "value_type") else _bytes_or_text


def _bytes_or_text(scalar: pa.Scalar, kind: pa.DataType, zone: str) -> str:
    try:
        value = scalar.as_py()
    except UnicodeDecodeError:
        raise Bad("utf-8") from None
    return value if isinstance(value, str) else base64.b64encode(value).decode()


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _decimal(scalar: pa.Scalar, kind: pa.DataType, zone: str) -> int | str | Decimal:
    value: Decimal = scalar.as_py()
    return value if kind.scale > 0 else number(int(value))


def _list(scalar: pa.Scalar, kind: pa.DataType, zone: str) -> list[Any]:
    return [plain(one, zone) for one in scalar.values]


def _struct(scalar: pa.Scalar, kind: pa.DataType, zone: str) -> dict[str, Any]:
    return {field.name: plain(scalar[i], zone) for i, field in enumerate(kind)}


def _map(scalar: pa.Scalar, kind: pa.DataType, zone: str) -> dict[str, Any]:
    pairs = ((plain(entry[0], zone), plain(entry[1], zone)) for entry in scalar.values)
    return {key if isinstance(key, str) else json.dumps(key, default=str): value for key, value in pairs
            if key is not None}  # fmt: skip


def day(days: int) -> str | None:
    """`YYYY-MM-DD`; None outside of the years 1 to 9999."""
    if not FIRST <= days * 86_400 <= LAST:
        return None
    return (date(1970, 1, 1) + timedelta(days)).isoformat()


def moment(value: int, unit: str, tz: str | None, zone: str) -> str | None:
    """ISO 8601 in UTC; None outside of the years 1 to 9999, before or after the zone is applied."""
    if unit == "ns" and abs(value) >= 2**63 - 1:
        return None
    seconds, rest = divmod(value, PER_SECOND[unit])
    if not FIRST <= seconds <= LAST:
        return None
    if tz is None and zone != "UTC":
        rest = rest // 1000 * 1000 if unit == "ns" else rest
        seconds -= _offset(EPOCH + timedelta(seconds=seconds), ZoneInfo(zone))
    if not FIRST <= seconds <= LAST:
        return None
    return f"{(EPOCH + timedelta(seconds=seconds)).isoformat()}{_fraction(rest, unit)}Z"


def _offset(local: datetime, zone: ZoneInfo) -> int:
    """Seconds east of UTC: after the clocks went back where a time comes twice, before they went on where it is left
    out. Both times that is the smaller offset."""
    both = (local.replace(tzinfo=zone, fold=fold).utcoffset() or timedelta(0) for fold in (0, 1))
    return int(min(both).total_seconds())


def _fraction(rest: int, unit: str) -> str:
    digits = f"{rest:0{len(str(PER_SECOND[unit])) - 1}d}".rstrip("0")
    return f".{digits}" if digits else ""


def _time(value: int, unit: str) -> str | None:
    seconds, rest = divmod(value, PER_SECOND[unit])
    if not 0 <= value <= 86_400 * PER_SECOND[unit]:
        return None
    return f"{_clock(seconds)}{_fraction(rest, unit)}"


def _clock(seconds: int) -> str:
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def _interval(months: int, days: int, nanoseconds: int) -> str:
    """DuckDB's text: years, months, days, and a clock of microseconds."""
    return " ".join(_interval_parts(months, days, int(Decimal(nanoseconds) / 1000)))


def _interval_parts(months: int, days: int, microseconds: int) -> Iterator[str]:
    years = int(Decimal(months) / 12)
    for count, word in ((years, "year"), (months - 12 * years, "month"), (days, "day")):
        if count:
            yield f"{count} {word}{'' if abs(count) == 1 else 's'}"
    if microseconds or not (months or days):
        seconds, rest = divmod(abs(microseconds), 10**6)
        yield f"{'-' if microseconds < 0 else ''}{_clock(seconds)}{_fraction(rest, 'us')}"
