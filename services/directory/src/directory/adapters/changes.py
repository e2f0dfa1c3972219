"""Telling caches what to forget, on directory.changed."""

from eventbus import EventBus
from eventbus.subjects import DIRECTORY_CHANGED
from mailwire.directory.v1 import directory_pb2 as wire

from directory.ports import Change


class BusChanges:
    """Fire and forget: caches also forget by themselves, a little later."""

    def __init__(self, bus: EventBus) -> None:
        self._bus = bus

    def tell(self, change: Change) -> None:
        """After the commit."""
        message = wire.DirectoryChanged(
            tenant_id=change.tenant_id,
            account_id=change.account_id,
            addresses=change.addresses,
            domains=change.domains,
        )
        self._bus.tell(DIRECTORY_CHANGED, message.SerializeToString())
