"""Stopping from outside: what the signals raise, and what is told when a driver hides them."""

import signal
import threading

import pytest

from mixpanel_wh.engine.stopping import Stop, Stopped, noticed, stoppable


def stop_behind_an_error(number: signal.Signals) -> None:
    """A signal that a driver turned into an error of its own."""
    with stoppable():
        try:
            signal.raise_signal(number)
        except Stopped:
            raise RuntimeError("query interrupted") from None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_block_even_behind_another_error(number: signal.Signals) -> None:
    with pytest.raises(Stopped), stoppable():
        signal.raise_signal(number)
    with pytest.raises(Stopped):
        stop_behind_an_error(number)


def test_an_error_without_a_signal_stays_what_it_is() -> None:
    with pytest.raises(RuntimeError, match="other"), stoppable():
        raise RuntimeError("other")


def test_what_the_signals_did_before_is_put_back() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with stoppable() as stop:
        assert stop == Stop(asked=False)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_signal_that_is_to_be_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with stoppable() as stop:
            signal.raise_signal(signal.SIGINT)
            assert not stop.asked
    finally:
        signal.signal(signal.SIGINT, before)


def test_outside_of_the_main_thread_no_signal_is_touched() -> None:
    found: list[Stop] = []

    def inside() -> None:
        with stoppable() as stop:
            found.append(stop)

    thread = threading.Thread(target=inside)
    thread.start()
    thread.join()
    assert found == [Stop(asked=False)]


def test_a_signal_that_is_noticed_does_what_it_did_before() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with noticed() as quiet:
        pass
    with pytest.raises(KeyboardInterrupt), noticed() as stop:
        signal.raise_signal(signal.SIGINT)
    assert (quiet.asked, stop.asked) == (False, True)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_whoever_caught_the_signals_meanwhile_keeps_them() -> None:
    before = signal.getsignal(signal.SIGINT)
    try:
        with noticed():
            signal.signal(signal.SIGINT, signal.SIG_DFL)
        assert signal.getsignal(signal.SIGINT) == signal.SIG_DFL
    finally:
        signal.signal(signal.SIGINT, before)
