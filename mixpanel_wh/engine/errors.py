"""Everything that can stop a run, named by what to do next.

MixpanelWhError
├── ConfigError           change the project file (exit status 2)
├── MissingDriver         install an extra (exit status 2)
├── SourceError           change the table or the sync that reads it (exit status 1)
│   └── DuplicateKeys     make the row key unique
├── WarehouseUnavailable  wait, or free the warehouse, and run again (exit status 1)
├── StagingError          grant write access to the staging schema (exit status 1)
├── DestinationError      (exit status 1)
│   ├── CredentialsRefused       fix the credentials
│   ├── DestinationUnavailable   run again: the pending run finishes what it started
│   └── RequestRefused           Mixpanel refused a whole request: read the reason
├── GuardStopped          look at the numbers, then raise the limit or fix the data (exit status 1)
└── SyncBusy              another run holds the lease (exit status 1)

A row that Mixpanel's rules refuse is not an error: it is a rejection, see `result`.
"""


from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mixpanel_wh.engine.result import RunResult


class MixpanelWhError(Exception):
    """A stop whose message is one clear sentence: what is wrong, where, what to do instead.

    `result` holds the numbers of the run that it ended, where there was one.
    """

    exit_status = 1
    result: "RunResult | None" = None


class ConfigError(MixpanelWhError):
    """The project file has mistakes; `mistakes` holds every one of them, each with its line."""

    exit_status = 2

    def __init__(self, mistakes: list[str]) -> None:
        self.mistakes = mistakes
        super().__init__("\n".join(mistakes))


class MissingDriver(MixpanelWhError):
    """A warehouse's client library is not installed."""

    exit_status = 2

    def __init__(self, warehouse: str) -> None:
        super().__init__(
            f"the {warehouse} client library is not installed: run  pip install 'mixpanel-wh[{warehouse}]'"
        )


class SourceError(MixpanelWhError):
    """The source table, or a column that the sync names, is not as the sync says."""


class DuplicateKeys(SourceError):
    """The row key is NULL or not unique in the source table."""


class WarehouseUnavailable(MixpanelWhError):
    """The warehouse cannot be reached or is locked by somebody else."""


class StagingError(MixpanelWhError):
    """The staging schema cannot be written."""


class DestinationError(MixpanelWhError):
    """Mixpanel did not take what was sent."""


class CredentialsRefused(DestinationError):
    """Mixpanel answered 401 or 403."""


class DestinationUnavailable(DestinationError):
    """Every retry of a transient failure was used up."""


class RequestRefused(DestinationError):
    """Mixpanel refused a whole request for a reason that sending it again cannot mend."""


class GuardStopped(MixpanelWhError):
    """A limit on rejections, deletes or changes was passed; nothing was committed."""


class SyncBusy(MixpanelWhError):
    """Another run of the same sync holds the lease."""
