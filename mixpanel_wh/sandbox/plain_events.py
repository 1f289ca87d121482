"""The quick reading of events: recognises the plainly good ones without making Python objects of their properties.

It looks at the bytes. An event is plainly good when its properties hold no backslash, no list and no object inside,
fewer than 255 colons, no string over 255 bytes and valid ids and time. Whatever is not plainly good is left to the
exact rules, so this reading may hesitate but never errs.
"""

from typing import Any

import msgspec
import numpy as np

from mixpanel_wh.sandbox import rules
from mixpanel_wh.sandbox.event_rules import Reading

Row = tuple[str, str, int, str, bool, bool, bytes]
"""Event name, distinct id, time in ms, insert id, whether it is a tombstone, whether the properties are whole (still
hold time, distinct_id and $insert_id), the properties as JSON."""

_QUOTE = ord('"')
_FEW = 5 * rules.EVENT_PROPERTIES  # bytes: a property takes at least five ("":0,)


class SentEvent(msgspec.Struct, gc=False):
    """An event whose properties are still the bytes that were sent."""

    event: str
    properties: msgspec.Raw


class _Ids(msgspec.Struct, gc=False):
    time: int
    insert_id: str = msgspec.field(name="$insert_id")
    distinct_id: str | None = None
    user_id: str | None = msgspec.field(name="$user_id", default=None)
    device_id: str | None = msgspec.field(name="$device_id", default=None)
    deleted: Any = msgspec.field(name="_deleted", default=None)


_ARRAY = msgspec.json.Decoder(list[SentEvent])
_LINE = msgspec.json.Decoder(SentEvent)
_IDS = msgspec.json.Decoder(_Ids)


def sent_events(body: bytes, lines: bool) -> list[SentEvent] | None:
    """The events of a body, read by their outlines; None when it needs the exact reading, for example to say why."""
    try:
        if not body.isascii():
            body.decode()
        return _LINE.decode_lines(body) if lines else _ARRAY.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def computed_distinct_id(given: str | None, user: str | None, device: str | None) -> str:
    """What Mixpanel makes of the ids in simplified identity merging: the user, else the device, else a given id."""
    return user or (f"$device:{device}" if device else given or "")


class PlainReader:
    """Reads the plainly good events of one body under one `Reading`."""

    def __init__(self, reading: Reading, body: bytes) -> None:
        self._hesitate = _has_long_strings(body)
        self._bare = _is_bare(body)
        self._simplified = reading.identity == "simplified"
        self._latest_s = int(reading.now + rules.FUTURE_SECONDS)
        self._earliest_ms, self._latest_ms = rules.EARLIEST_SECOND * 1_000, self._latest_s * 1_000

    def row(self, sent: SentEvent) -> Row | None:
        """The event's row, or None when it needs the exact reading."""
        text = bytes(sent.properties)
        if self._hesitate or text.rfind(b"{") != 0 or not (self._bare or _is_bare(text)):
            return None
        if len(text) >= _FEW and not _is_narrow(text):
            return None
        try:
            ids = _IDS.decode(text)
        except msgspec.MsgspecError:
            return None
        name, time, insert_id, distinct_id = sent.event, ids.time, ids.insert_id, self._distinct_id(ids)
        if not self._earliest_ms <= time <= self._latest_ms:
            time = time * 1_000 if rules.EARLIEST_SECOND <= time <= self._latest_s else 0
        if time and distinct_id is not None and name and name not in rules.IDENTITY_EVENTS and _plain_id(insert_id):
            return name, distinct_id, time, insert_id, ids.deleted is True, True, text
        return None

    def _distinct_id(self, ids: _Ids) -> str | None:
        given, user, device = ids.distinct_id, ids.user_id, ids.device_id
        if not self._simplified or (user is None and device is None):
            return None if given in rules.JUNK_IDS else given
        if given in rules.JUNK_IDS or user in rules.JUNK_IDS or device in rules.JUNK_IDS:
            return None
        return user or computed_distinct_id(given, user, device)


def _has_long_strings(body: bytes) -> bool:
    """Whether a string without backslashes may be over 255 bytes: two quotes in a row are that far apart."""
    quotes = np.flatnonzero(np.frombuffer(body, np.uint8) == _QUOTE)
    return len(quotes) > 1 and int(np.diff(quotes).max()) > rules.STRING_BYTES + 1


def _is_bare(text: bytes) -> bool:
    """Whether nothing is escaped and nothing but the whole body is a list."""
    return b"\\" not in text and text.find(b"[", 1) < 0


def _is_narrow(text: bytes) -> bool:
    return len(text) < rules.EVENT_BYTES // 2 and text.count(b":") < rules.EVENT_PROPERTIES


def _plain_id(value: str) -> bool:
    return (
        0 < len(value) <= 36
        and value not in rules.JUNK_IDS
        and ((value.isascii() and value.isalnum()) or rules.INSERT_ID.fullmatch(value) is not None)
    )
