"""What a run found and did: counts, rejections and the result that every surface prints."""

from dataclasses import asdict, dataclass, field, replace
from typing import Any


@dataclass(frozen=True)
class Rejection:
    """A row that will not be sent again as it is. `row_key` is the row's identity as text, None where it has none."""

    row_key: str | None
    column: str | None
    reason: str
    origin: str = "rules"  # "rules": found before sending; "mixpanel": refused by Mixpanel


@dataclass(frozen=True)
class RunResult:
    """The numbers of one run. `rows_read == accepted + rejected`, and `inserted + updated + deleted == rows_read`.

    A row is counted once, however many records it became (an event whose key fields changed is a tombstone and a
    new event). `records` counts what was sent, `bytes_sent` is the size on the wire after compression,
    `bytes_raw` before it. `status` is `succeeded`, `stopped` (a guard), `failed`, or `preview`.
    `snapshot` is the moment (ISO 8601) as of which the next Mirror run compares.
    `resumed` says that it finished what an earlier run left, and `resumed_run_id` names that run where its rejections
    stand under its id.
    """

    sync: str
    mode: str
    record: str
    run_id: str
    status: str = "succeeded"
    message: str = ""
    rows_read: int = 0
    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    accepted: int = 0
    rejected: int = 0
    records: int = 0
    requests: int = 0
    retries: int = 0
    bytes_sent: int = 0
    bytes_raw: int = 0
    seconds: float = 0.0
    rows_per_second: float = 0.0
    table_rows: int | None = None
    cursor: str | None = None
    snapshot: str | None = None
    fidelity: str = "exact"
    resumed: bool = False
    resumed_run_id: str | None = None
    rejections: tuple[Rejection, ...] = field(default=(), repr=False)

    def as_dict(self) -> dict[str, Any]:
        """The result as JSON-ready values; at most a sample of the rejections is in it."""
        return asdict(self)

    def with_status(self, status: str, message: str = "") -> "RunResult":
        """The same numbers under another status."""
        return replace(self, status=status, message=message)
