"""How one sandbox behaves: where it listens, what it keeps, whom it lets in, and which limits it holds."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from mixpanel_wh.sandbox import rules

Identity = Literal["simplified", "original"]


@dataclass(frozen=True)
class ServiceAccount:
    """The user and secret of a Mixpanel service account."""

    user: str
    secret: str = field(repr=False)


@dataclass(frozen=True)
class SandboxOptions:
    """Everything that can be chosen when a sandbox starts; the defaults are Mixpanel's limits with any credentials.

    `port` 0 means a free one. `data` is a DuckDB file, or None for memory. `project_token`, `project_id` and
    `service_account` that are None accept anything non-empty; one that is given must match. `known_group_keys` None
    accepts every group key. Limits are None when they are off.
    """

    port: int = 8787
    host: str = "127.0.0.1"
    data: Path | None = None
    project_token: str | None = field(default=None, repr=False)
    project_id: str | None = None
    service_account: ServiceAccount | None = None
    identity: Identity = "simplified"
    byte_limit: int = rules.BATCH_BYTES
    events_per_minute: int | None = None
    bytes_per_minute: int | None = None
    lookup_replacements_per_day: int | None = rules.LOOKUP_REPLACEMENTS_PER_DAY
    exports_per_hour: int | None = rules.EXPORTS_PER_HOUR
    exports_per_second: int | None = rules.EXPORTS_PER_SECOND
    exports_at_once: int | None = rules.EXPORTS_AT_ONCE
    queries_per_hour: int | None = rules.QUERIES_PER_HOUR
    queries_at_once: int | None = rules.QUERIES_AT_ONCE
    create_lookup_tables: bool = True
    known_group_keys: frozenset[str] | None = None
    clock: Callable[[], float] = time.time
