"""Forgetting what a sync sent: for a person who deleted it in Mixpanel, or whose project there is a new one."""

from uuid import uuid4

from mixpanel_wh.engine.lease import LeaseKeeper
from mixpanel_wh.engine.ports import Warehouse
from mixpanel_wh.engine.spec import SyncSpec
from mixpanel_wh.engine.state import Checkpoint


def reset_sync(spec: SyncSpec, warehouse: Warehouse) -> int:
    """Forget the checkpoint, the pending run, the snapshot and the ledger; returns the new epoch, one above the old.

    Events of another epoch have other insert ids, so that no copy which Mixpanel still holds, or only hides, can pass
    for one of them. Step by step, the checkpoint last: a reset that breaks off is completed by another one, and what a
    run before that sends has the old ids. SyncBusy while a run of the sync is going on.
    """
    with LeaseKeeper(spec.name, uuid4().hex, warehouse.state):
        epoch = warehouse.state.load(spec.name).checkpoint.epoch + 1
        warehouse.state.clear_pending(spec.name)
        warehouse.snapshots.discard(spec, snapshot=True)
        warehouse.ledger.discard(spec)
        warehouse.state.commit(spec.name, Checkpoint(epoch=epoch))
    return epoch
