"""What the project file says of a Mixpanel project: how it is reached, signed for and spared."""

from dataclasses import dataclass, field

from mixpanel_wh.engine.spec import Identity
from mixpanel_wh.mixpanel.endpoints import Purpose, base_url
from mixpanel_wh.mixpanel.retry import RetryPolicy


@dataclass(frozen=True)
class ProjectSettings:
    """A destination as the project file describes it.

    `service_account` and `service_secret` sign events and lookup tables; without them the token signs events, and
    lookup tables cannot be sent. `region` is us, eu or in. `url` stands for every host of Mixpanel's.
    `events_per_second` and `bytes_per_minute` (uncompressed) are None when off. `gzip_profiles` compresses profile
    updates, which Mixpanel does not document. `max_concurrency` bounds the requests in flight.
    """

    project_id: str
    token: str = field(repr=False)
    service_account: str | None = None
    service_secret: str | None = field(default=None, repr=False)
    region: str = "us"
    url: str | None = None
    identity: Identity = Identity.SIMPLIFIED
    events_per_second: int | None = 30_000
    bytes_per_minute: int | None = 2_000_000_000
    gzip_profiles: bool = False
    max_concurrency: int = 16
    retry: RetryPolicy = field(default_factory=RetryPolicy)

    @property
    def base(self) -> str:
        """The address of the ingestion host, without a final slash."""
        return base_url(Purpose.INGESTION, self.region, self.url)
