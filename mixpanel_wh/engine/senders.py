"""The threads that deliver: only as many as are useful at the moment, since each one more costs all the others."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Condition

from mixpanel_wh.engine.ports import Answer

MOST = 20
"""Mixpanel's "Import Events" page: 10 to 20 concurrent clients deliver best."""

Work = Callable[[], Answer]


class Senders:
    """Runs deliveries in the order they came, `useful()` at a time; a thread starts when none is idle."""

    def __init__(self, useful: Callable[[], int]) -> None:
        self._useful = useful
        self._threads = ThreadPoolExecutor(MOST, thread_name_prefix="send")
        self._waiting: deque[tuple[Future[Answer], Work]] = deque()
        self._running = 0
        self._open = True
        self._lock = Condition()

    def submit(self, work: Work) -> Future[Answer]:
        """The answer to come."""
        future: Future[Answer] = Future()
        with self._lock:
            self._waiting.append((future, work))
        self._start_some()
        return future

    def end(self, seconds: float, cut: Callable[[], None]) -> None:
        """Start nothing more, and return when what runs has ended: by itself, or by `cut` after `seconds`."""
        self.shutdown(wait=False)
        with self._lock:
            ended = self._lock.wait_for(lambda: not self._running, seconds)
        if not ended:
            cut()
        self._threads.shutdown(wait=True)

    def shutdown(self, wait: bool) -> None:
        """Start nothing more; with `wait`, return when what runs has ended."""
        with self._lock:
            self._open = False
            dropped = list(self._waiting)
            self._waiting.clear()
        for future, _ in dropped:
            future.cancel()
        self._threads.shutdown(wait=wait, cancel_futures=True)

    def _start_some(self) -> None:
        with self._lock:
            while self._open and self._waiting and self._running < max(1, self._useful()):
                self._running += 1
                self._threads.submit(self._run, *self._waiting.popleft())

    def _run(self, future: Future[Answer], work: Work) -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)
        finally:
            with self._lock:
                self._running -= 1
                self._lock.notify_all()
            self._start_some()
