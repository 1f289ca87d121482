"""Records of both ends compared by identity and content, in bounded memory.

What the table makes of its rows is expected first, what Mixpanel holds comes second. Of an event 8 bytes of hash stand
for its identity and 8 for its content; the few that are shown are told in full afterwards. When there is too much even
so, both ends are thinned to the same share of all identities, so that what is compared stays whole.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any
from zlib import crc32

Identity = tuple[str, ...]
Key = str | bytes

MOST_BYTES = 192 * 1024 * 1024
BYTES_BESIDE = 300  # what an entry costs beside its content: keys, places in two mappings
DIFFERENCES_SHOWN = 20
KINDS = ("missing", "extra", "differing")
_APART = "\x1f"


@dataclass(frozen=True)
class Record:
    """A record at one of both ends.

    `identity` tells it from all others. `properties` are JSON values; an absent one and null are the same. Of several
    copies the one with the highest `stamp` counts, of those the last one; a `deleted` one is a tombstone.
    """

    identity: Identity
    properties: Mapping[str, Any] = field(default_factory=dict)
    stamp: int = 0
    deleted: bool = False


@dataclass(frozen=True)
class Difference:
    """A record that only one end has (`missing`: the table's alone, `extra`: Mixpanel's alone), or a property whose
    value is not the same (`differing`); values are JSON texts, None where there is none."""

    kind: str
    identity: Identity
    property_name: str | None = None
    expected: str | None = None
    held: str | None = None

    @property
    def record(self) -> str:
        """The identity as one text."""
        return " · ".join(self.identity)


@dataclass(frozen=True)
class Findings:
    """Numbers of records in the part that was compared, which is `share` (0 to 1) of all; differences are samples.
    `excused` ones are expected and not held, for a reason that is known; they are not missing."""

    expected: int = 0
    held: int = 0
    missing: int = 0
    extra: int = 0
    differing: int = 0
    excused: int = 0
    share: float = 1.0
    differences: tuple[Difference, ...] = ()


@dataclass(frozen=True, slots=True)
class _Found:
    """What Mixpanel holds under a key where it is not what is expected; a tombstone has no content."""

    stamp: int
    name: str
    content: bytes | None


class Comparison:
    """One comparison: `expect` everything, `hold` everything, then `tell` what is `untold`.

    With `whole`, a held record must have no other properties than the expected one, and hashes stand for both.
    """

    def __init__(self, whole: bool, most_bytes: int = MOST_BYTES) -> None:
        self._whole, self._most_bytes = whole, most_bytes
        self._expected: dict[Key, bytes] = {}
        self._excused: set[Key] = set()
        self._found: dict[Key, int | _Found] = {}  # the stamp alone where it is what is expected
        self._told: dict[Key, tuple[Identity, bytes]] = {}
        self._bits = self._bytes = 0

    @property
    def share(self) -> float:
        """The share of all identities that is compared."""
        return 1 / (1 << self._bits)

    @property
    def identities(self) -> list[Identity]:
        """The identities that are expected and compared, where no hashes stand for them."""
        return [_identity(key) for key in self._expected if isinstance(key, str)]

    def expect(self, record: Record, excused: bool = False) -> None:
        """A record that the table makes; of several with one identity, later values take the place of earlier ones."""
        key = self._key(record)
        if not self._compares(key):
            return
        before = self._expected.get(key)
        properties = {**json.loads(before), **record.properties} if before and not self._whole else record.properties
        self._expected[key] = content = self._kept(_content(properties))
        if excused:
            self._excused.add(key)
        self._grow(len(content) - len(before) if before else len(content) + BYTES_BESIDE)

    def hold(self, record: Record) -> None:
        """A record, or a copy of one, that Mixpanel holds; the same one may come again."""
        key = self._key(record)
        known = self._found.get(key)
        if not self._compares(key) or (known is not None and _stamp(known) > record.stamp):
            return
        found = self._compared(self._expected.get(key), record)
        self._found[key] = found
        beside = BYTES_BESIDE if known is None and key not in self._expected else 0
        self._grow(_size(found) - (0 if known is None else _size(known)) + beside)

    def thin_to(self, most: int) -> None:
        """Compare at most so many expected records."""
        while len(self._expected) > most:
            self._thin()

    @property
    def untold(self) -> bool:
        """Whether expected records that are to be shown are known by their hashes only."""
        return self._whole and any(key not in self._told for key in self._shown("missing", "differing"))

    def tell(self, records: Iterable[Record]) -> None:
        """The expected records once more, as long as any that is to be shown is wanted."""
        wanted = set(self._shown("missing", "differing")) - set(self._told)
        for record in records:
            key = self._key(record)
            if key in wanted:
                self._told[key] = record.identity, _content(record.properties)
                wanted.discard(key)
                if not wanted:
                    return

    def findings(self) -> Findings:
        """What the comparison came to."""
        keys = self._differing()
        counts = {kind: len(found) for kind, found in keys.items()}
        shown = [Difference("missing", self._expected_at(key)[0]) for key in self._shown("missing") if self._known(key)]
        extra = (self._found[key] for key in self._shown("extra"))
        shown += [Difference("extra", _identity(one.name)) for one in extra if isinstance(one, _Found)]
        shown += [one for key in self._shown("differing") if self._known(key) for one in self._differences(key)]
        held = sum(not _is_tombstone(found) for found in self._found.values())
        excused = sum(self._is_gone(key) for key in self._excused)
        return Findings(
            len(self._expected), held, **counts, excused=excused, share=self.share, differences=tuple(shown)
        )

    def _differing(self) -> dict[str, list[Key]]:
        """The keys of what differs, by kind."""
        missing = [key for key in self._expected if self._is_gone(key) and key not in self._excused]
        held = {key: found for key, found in self._found.items() if isinstance(found, _Found) and found.content}
        extra = [key for key in held if key not in self._expected]
        return {"missing": missing, "extra": extra, "differing": [key for key in held if key in self._expected]}

    def _shown(self, *kinds: str) -> list[Key]:
        keys = self._differing()
        return [key for kind in kinds for key in keys[kind][:DIFFERENCES_SHOWN]]

    def _is_gone(self, key: Key) -> bool:
        found = self._found.get(key)
        return found is None or _is_tombstone(found)

    def _compared(self, expected: bytes | None, record: Record) -> int | _Found:
        name = _APART.join(record.identity)
        if record.deleted:
            return _Found(record.stamp, name, None)
        properties = record.properties
        if expected is not None and not self._whole:
            properties = {name: properties.get(name) for name in json.loads(expected)}
        content = _content(properties)
        return record.stamp if expected == self._kept(content) else _Found(record.stamp, name, content)

    def _differences(self, key: Key) -> list[Difference]:
        found = self._found[key]
        identity, content = self._expected_at(key)
        wanted, held = json.loads(content), json.loads(found.content or b"{}") if isinstance(found, _Found) else {}
        pairs = {one: (_text(wanted.get(one)), _text(held.get(one))) for one in sorted({*wanted, *held})}
        return [
            Difference("differing", identity, one, mine, theirs) for one, (mine, theirs) in pairs.items()
            if mine != theirs
        ]  # fmt: skip

    def _known(self, key: Key) -> bool:
        return isinstance(key, str) or key in self._told

    def _expected_at(self, key: Key) -> tuple[Identity, bytes]:
        return (_identity(key), self._expected[key]) if isinstance(key, str) else self._told[key]

    def _key(self, record: Record) -> Key:
        name = _APART.join(record.identity)
        return _digest(name.encode(errors="surrogatepass")) if self._whole else name

    def _kept(self, content: bytes) -> bytes:
        return _digest(content) if self._whole else content

    def _compares(self, key: Key) -> bool:
        if not self._bits:
            return True
        octets = key.encode(errors="surrogatepass") if isinstance(key, str) else key
        return not crc32(octets) & ((1 << self._bits) - 1)

    def _grow(self, size: int) -> None:
        self._bytes += size
        while self._bytes > self._most_bytes and len(self._expected) + len(self._found) > 1:
            self._thin()

    def _thin(self) -> None:
        """Halve what is compared, at both ends alike."""
        self._bits += 1
        self._expected = {key: content for key, content in self._expected.items() if self._compares(key)}
        self._excused = {key for key in self._excused if self._compares(key)}
        self._found = {key: found for key, found in self._found.items() if self._compares(key)}
        alone = sum(key not in self._expected for key in self._found)
        self._bytes = sum(len(content) for content in self._expected.values())
        self._bytes += sum(_size(found) for found in self._found.values())
        self._bytes += BYTES_BESIDE * (len(self._expected) + alone)


def joined(parts: Iterable[Findings]) -> Findings:
    """The findings of several comparisons as one; the share is the smallest."""
    found = list(parts)
    counts = {name: sum(getattr(one, name) for one in found) for name in ("expected", "held", *KINDS, "excused")}
    samples = [difference for one in found for difference in one.differences]
    shown = [one for kind in KINDS for one in [each for each in samples if each.kind == kind][:DIFFERENCES_SHOWN]]
    return Findings(**counts, share=min([one.share for one in found], default=1.0), differences=tuple(shown))


def _identity(name: str) -> Identity:
    return tuple(name.split(_APART))


def _digest(octets: bytes) -> bytes:
    return blake2b(octets, digest_size=8).digest()


def _content(properties: Mapping[str, Any]) -> bytes:
    """Properties as bytes that are equal for equal properties. Names that must be absent keep their place as null."""
    return json.dumps(properties, sort_keys=True, separators=(",", ":")).encode()


def _text(value: Any) -> str | None:
    return None if value is None else json.dumps(value, sort_keys=True)


def _stamp(found: int | _Found) -> int:
    return found if isinstance(found, int) else found.stamp


def _is_tombstone(found: int | _Found) -> bool:
    return isinstance(found, _Found) and found.content is None


def _size(found: int | _Found) -> int:
    return 0 if isinstance(found, int) else len(found.name) + len(found.content or b"")
