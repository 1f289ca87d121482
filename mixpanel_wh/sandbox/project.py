"""The Mixpanel project a sandbox plays: its options and everything it holds."""

from dataclasses import dataclass

from mixpanel_wh.sandbox.event_store import EventStore
from mixpanel_wh.sandbox.faults import FaultBox
from mixpanel_wh.sandbox.journal import Journal
from mixpanel_wh.sandbox.lookup_store import LookupStore
from mixpanel_wh.sandbox.options import SandboxOptions
from mixpanel_wh.sandbox.pace import Pace
from mixpanel_wh.sandbox.profile_store import ProfileStore
from mixpanel_wh.sandbox.rates import Quotas, quotas_of
from mixpanel_wh.sandbox.store import Store


@dataclass(frozen=True)
class Project:
    """What the endpoints work on."""

    options: SandboxOptions
    store: Store
    events: EventStore
    profiles: ProfileStore
    lookups: LookupStore
    journal: Journal
    faults: FaultBox
    quotas: Quotas
    pace: Pace

    def empty(self) -> None:
        """Forgets events, profiles, lookup tables, requests, faults and what counts towards limits."""
        with self.store.lock:
            self.store.empty()
            self.events.continue_counting()
            self.journal.continue_counting()
        self.faults.clear()
        self.quotas.clear()


def opened(options: SandboxOptions) -> Project:
    """The project kept in the options' data file, or a new one in memory."""
    store = Store(options.data)
    return Project(
        options=options,
        store=store,
        events=EventStore(store),
        profiles=ProfileStore(store),
        lookups=LookupStore(store),
        journal=Journal(store),
        faults=FaultBox(),
        quotas=quotas_of(options),
        pace=Pace(),
    )
