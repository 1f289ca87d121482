"""The small languages inside values: spans of time, limits, table names, schedules, moments. Text in, value out.

Each function raises ValueError whose text says what to write instead; it never repeats the text it was given.
"""

import re
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from mixpanel_wh.engine.spec import Limit, TableName

OFF = ("off", "none", "false", "no")
UNITS = {"second": 1, "sec": 1, "s": 1, "minute": 60, "min": 60, "m": 60, "hour": 3600, "h": 3600,
         "day": 86_400, "d": 86_400, "week": 604_800, "w": 604_800}  # fmt: skip
SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]+)")
LIMIT = re.compile(r"(?P<share>\d+(?:\.\d+)?)\s*%|(?P<rows>\d[\d_,]*)\s*(?:rows?)?")
PART = re.compile(r'"((?:[^"]|"")+)"|`([^`]+)`|([^."`\s](?:[^."`]*[^."`\s])?)')
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
PRESETS = ("hourly", "daily", "weekly")
CRON_FIELDS = (("minute", 0, 59), ("hour", 0, 23), ("day of month", 1, 31), ("month", 1, 12), ("day of week", 0, 7))
CRON_NAMES = {
    "month": ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"),
    "day of week": ("sun", "mon", "tue", "wed", "thu", "fri", "sat"),
}


def span(text: str) -> timedelta:
    """`1 day`, `6 hours`, `90 minutes`, `1 day 6 hours`."""
    wanted = "write a span such as 1 day, 6 hours or 90 minutes"
    folded = text.casefold().replace(",", " ")
    if not folded.strip() or SPAN.sub("", folded).strip():
        raise ValueError(wanted)
    total = 0.0
    for number, unit in SPAN.findall(folded):
        size = UNITS.get(unit, UNITS.get(unit.removesuffix("s")))
        if size is None:
            raise ValueError(f"{wanted}; units are seconds, minutes, hours, days and weeks")
        total += float(number) * size
    if total > 3650 * 86_400:
        raise ValueError("write a span of at most ten years")
    return timedelta(seconds=total)


def limit(text: str) -> Limit:
    """`1%`, `500 rows`, `500`, or `off`."""
    folded = text.strip().casefold()
    if folded in OFF:
        return Limit()
    found = LIMIT.fullmatch(folded)
    if not found:
        raise ValueError("write a share such as 1%, a number of rows such as 500, or off")
    if found["rows"]:
        return Limit(rows=int(re.sub("[_,]", "", found["rows"])))
    share = float(found["share"]) / 100
    if share > 1:
        raise ValueError("write a share of at most 100%")
    return Limit(share=share)


def table(text: str) -> TableName:
    """`schema.table`, or `catalogue.schema.table`; a part that holds a dot stands in double quotes."""
    parts: list[str] = []
    rest = "." + text.strip()
    while rest.startswith(".") and (found := PART.match(rest, 1)):
        quoted, ticked, plain = found.groups()
        parts.append(quoted.replace('""', '"') if quoted else ticked or plain)
        rest = rest[found.end() :]
    if rest or len(parts) > 3:
        raise ValueError("write schema.table; a name that holds a dot stands in double quotes")
    return TableName(tuple(parts))


def name(text: str) -> str:
    """A name that files, tables and Dagster take."""
    if not NAME.fullmatch(text):
        raise ValueError("write letters, digits, _ and -, at most 63 of them, beginning with a letter or digit")
    return text


def reconciliation(text: str) -> str:
    """`counts`, `content` or `off`."""
    folded = text.strip().casefold()
    if folded in ("counts", "content"):
        return folded
    if folded in OFF:
        return "off"
    raise ValueError("write counts, content or off")


def moment(text: str) -> datetime:
    """An ISO 8601 date or time; without a zone it is left without one."""
    try:
        return datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError("write a date or time in ISO 8601, such as 2026-01-31 or 2026-01-31T08:00:00Z") from None


def zone(text: str) -> str:
    """The name of a time zone in the IANA database."""
    if text == "UTC":
        return text
    from zoneinfo import ZoneInfo

    try:
        ZoneInfo(text)
    except (ValueError, OSError, LookupError):
        from zoneinfo import available_timezones

        from mixpanel_wh.config.mistakes import did_you_mean

        meant = did_you_mean(text, available_timezones())
        raise ValueError(f"write a time zone such as America/New_York or UTC{meant}") from None
    return text


def schedule(text: str) -> str:
    """`hourly`, `daily`, `weekly`, or five cron fields."""
    folded = text.strip().casefold().removeprefix("@")
    if folded in PRESETS:
        return folded
    fields = text.split()
    if len(fields) != len(CRON_FIELDS):
        raise ValueError("write hourly, daily, weekly, or five cron fields such as '30 6 * * 1-5'")
    for field, (called, low, high) in zip(fields, CRON_FIELDS, strict=True):
        if not all(_cron_part(part, called, low, high) for part in field.split(",")):
            raise ValueError(f"the cron field for the {called} must be *, or numbers and ranges from {low} to {high}")
    return " ".join(fields)


def _cron_part(part: str, called: str, low: int, high: int) -> bool:
    found = re.fullmatch(r"(\*|\w+(?:-\w+)?)(?:/(\d+))?", part)
    if not found or found[2] == "0":
        return False
    names = {word: number for number, word in enumerate(CRON_NAMES.get(called, ()), low)}
    ends = [] if found[1] == "*" else found[1].casefold().split("-")
    numbers = [names.get(end, int(end) if end.isdecimal() else -1) for end in ends]
    return all(low <= number <= high for number in numbers) and numbers == sorted(numbers)


def url(text: str) -> str:
    """An http or https address without credentials, query or fragment; no final slash."""
    try:
        parts = urlsplit(text.strip())
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable:
        raise ValueError("write an address such as https://api.mixpanel.com or http://127.0.0.1:8787")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("write the address alone, without user, password or query")
    return text.strip().rstrip("/")


def database_url(text: str) -> str:
    """A postgresql:// address that names a database."""
    try:
        parts = urlsplit(text.strip())
        usable = parts.scheme in ("postgresql", "postgres") and len(parts.path) > 1
        usable = usable and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable:
        raise ValueError("write an address such as postgresql://user:password@host:5432/database")
    return text.strip()


def s3_place(text: str) -> str:
    """A bucket of S3, and a prefix in it."""
    if not re.fullmatch(r"s3://[a-z0-9][a-z0-9.-]+(/\S*)?", text.strip()):
        raise ValueError("write a place such as s3://bucket/prefix")
    return text.strip()


def port(text: str) -> int:
    """A port of a server."""
    found = whole(text)
    if not 1 <= found <= 65_535:
        raise ValueError("write a number from 1 to 65535")
    return found


def whole(text: str) -> int:
    """A whole number, with _ or , between thousands if one likes."""
    if not re.fullmatch(r"\d[\d_,]*", text.strip()):
        raise ValueError("write a whole number")
    return int(re.sub("[_,]", "", text.strip()))


def label(text: str) -> str:
    """The value of a label of BigQuery's."""
    if not re.fullmatch(r"[a-z0-9_-]{0,63}", text.strip()):
        raise ValueError("write at most 63 lower-case letters, digits, _ and -")
    return text.strip()


def flag(text: str) -> bool:
    """`true` or `false`, or what YAML 1.1 takes for them."""
    folded = text.strip().casefold()
    if folded not in ("true", "yes", "on", "false", "no", "off"):
        raise ValueError("write one of them")
    return folded in ("true", "yes", "on")


def owner(text: str) -> str:
    """A person's e-mail address, or `team:` and a name."""
    if not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+|team:\S+", text):
        raise ValueError("write an e-mail address or team:name")
    return text


def group(text: str) -> str:
    """A group of assets, as Dagster takes it."""
    if not re.fullmatch(r"[A-Za-z0-9_]+", text):
        raise ValueError("write letters, digits and _")
    return text


def in_zone(moment: datetime, timezone: str) -> datetime:
    """The moment with a zone: its own, or `timezone` when it has none."""
    if moment.tzinfo:
        return moment
    if timezone == "UTC":
        return moment.replace(tzinfo=UTC)
    from zoneinfo import ZoneInfo

    return moment.replace(tzinfo=ZoneInfo(timezone))


def rate(text: str) -> int:
    """A positive number, or 0 for `off`."""
    if text.strip().casefold() in OFF:
        return 0
    found = whole(text)
    if not found:
        raise ValueError("write a whole number above 0, or off")
    return found


def seconds(text: str) -> float:
    """A number of seconds."""
    if not re.fullmatch(r"\d+(\.\d+)?", text.strip()):
        raise ValueError("write a number of seconds")
    return float(text)


def rate_off(text: str) -> str:
    """`off`, the only single word that a rate can be."""
    if text.strip().casefold() not in OFF:
        raise ValueError("write off, or a mapping with events_per_second and bytes_per_minute")
    return "off"


def concurrency(text: str) -> int:
    """How many requests at once: 1 to 20, as Mixpanel advises."""
    found = whole(text)
    if not 1 <= found <= 20:
        raise ValueError("write a number from 1 to 20")
    return found
