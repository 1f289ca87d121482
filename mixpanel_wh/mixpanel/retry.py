"""When to try again, and when to stop trying: full-jitter exponential backoff in which `Retry-After` wins.

Mixpanel's "Import Events" page: retry 429, 502, 503 and broken connections, starting at 2 s, doubling up to 60 s, with
1 to 5 s of jitter. A pause here is drawn evenly from 1 s to the doubled bound, so that many clients spread out.
"""

import random
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import isfinite


@dataclass(frozen=True)
class RetryPolicy:
    """Seconds, and how many tries a request gets.

    The n-th pause is between `least` and `first * 2**n`, never more than `longest`. A request that failed is given up
    after `attempts` tries or when the next one would start later than `total` after its first failure; within
    `first_contact` when the destination was never reached at all, because then an address is probably wrong.
    """

    attempts: int = 12
    least: float = 1.0
    first: float = 2.0
    longest: float = 60.0
    total: float = 600.0
    first_contact: float = 10.0

    def pause(self, failures: int, asked: float | None) -> float:
        """Seconds until the next try after `failures` failed ones; `asked` is what the server wants."""
        if asked is not None:
            return asked
        bound = min(self.longest, self.first * 2.0 ** min(failures - 1, 32))
        return random.uniform(min(self.least, bound), bound)

    def gives_up(self, failures: int, failing_for: float, pause: float, reached: bool) -> bool:
        """Whether a request that failed `failures` times over `failing_for` seconds is not tried after `pause`."""
        allowed = self.total if reached else min(self.total, self.first_contact)
        return failures >= self.attempts or failing_for + pause > allowed


def transient(status: int) -> bool:
    """Whether an HTTP status passes by itself: 408, 429 and every 5xx."""
    return status in (408, 429) or status >= 500


def asked_pause(header: str | None, now: datetime | None = None) -> float | None:
    """Seconds that a `Retry-After` header asks for, given as a number or as an HTTP date; None when there is none."""
    if header is None:
        return None
    try:
        seconds = float(header)
    except ValueError:
        return _until(header, now or datetime.now(UTC))
    return max(0.0, seconds) if isfinite(seconds) else None


def _until(header: str, now: datetime) -> float | None:
    try:
        moment = parsedate_to_datetime(header)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())
