"""Stopping a run from outside: SIGINT (Ctrl-C) and SIGTERM end it the same way, with its lease given back."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

NUMBERS = (signal.SIGINT, signal.SIGTERM)


class Stopped(KeyboardInterrupt):
    """Somebody asked the run to stop.

    A class of its own because a plain KeyboardInterrupt that meets Python while it imports a module ends the process
    by signal later on, whatever exit status was chosen.
    """


@dataclass
class Stop:
    """Whether a stop was asked for. Drivers turn the interrupt into errors of their own, so the type of an error does
    not tell."""

    asked: bool = False


@contextmanager
def stoppable() -> Iterator[Stop]:
    """Both signals raise Stopped inside the block; once one came, every error that leaves the block is Stopped."""
    stop = Stop()

    def interrupt(*_: object) -> None:
        stop.asked = True
        raise Stopped

    earlier = {number: signal.signal(number, interrupt) for number in _catchable()}
    try:
        yield stop
    except Exception:
        if stop.asked:
            raise Stopped from None
        raise
    finally:
        for number, action in earlier.items():
            signal.signal(number, action)


@contextmanager
def noticed() -> Iterator[Stop]:
    """Whether a stop was asked for inside the block; the signals do what they did before. Who catches them in another
    way meanwhile, as Dagster does between what a generator yields, keeps them."""
    stop = Stop()
    before = {number: action for number in _catchable() if callable(action := signal.getsignal(number))}

    def notice(number: int, frame: FrameType | None) -> None:
        stop.asked = True
        before[signal.Signals(number)](number, frame)

    for number in before:
        signal.signal(number, notice)
    try:
        yield stop
    finally:
        for number, action in before.items():
            if signal.getsignal(number) is notice:
                signal.signal(number, action)


def _catchable() -> list[signal.Signals]:
    """Signals that may be caught: only by the main thread, and not those that whoever started us wants ignored."""
    if threading.current_thread() is not threading.main_thread():
        return []
    return [number for number in NUMBERS if signal.getsignal(number) is not signal.SIG_IGN]
