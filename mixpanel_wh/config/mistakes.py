"""Mistakes in a project file: gathered while it is read, so that all of them are told at once."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches

from mixpanel_wh.engine.errors import ConfigError


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant; letter case does not count."""
    by_fold = {one.casefold(): one for one in known}
    close = get_close_matches(word.casefold(), list(by_fold), n=1, cutoff=0.6)
    return by_fold[close[0]] if close else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """` (did you mean 'mirror'?)`, or nothing when no known word is near."""
    found = nearest(word, known)
    return f" (did you mean '{found}'?)" if found else ""


@dataclass
class Mistakes:
    """Every mistake found so far. `origin` names the file or whatever stands in its place."""

    origin: str
    found: list[tuple[int, str]] = field(default_factory=list)

    def add(self, line: int | None, message: str) -> None:
        """Remember a mistake; `line` counts from 1, None where there are no lines."""
        self.found.append((line or 0, message))

    def texts(self) -> list[str]:
        """The mistakes in the order of the file, each as `FILE:LINE: sentence`."""
        ordered = sorted(dict.fromkeys(self.found), key=lambda one: one[0])
        return [f"{self.origin}:{line}: {text}" if line else f"{self.origin}: {text}" for line, text in ordered]

    def stop_if_any(self) -> None:
        """ConfigError with all of them, when there are any."""
        if self.found:
            raise ConfigError(self.texts())


@dataclass(frozen=True)
class Place:
    """Where in the file a value stands: `syncs.flights.mode`."""

    mistakes: Mistakes
    path: str = ""

    def under(self, key: str) -> "Place":
        """The place of one of its values."""
        return Place(self.mistakes, f"{self.path}.{key}" if self.path else key)

    def wrong(self, line: int | None, message: str) -> None:
        """Add a mistake about this place."""
        self.mistakes.add(line, f"{self.path}: {message}" if self.path else message)
