"""Telling caches what to forget, on directory.changed."""

from eventbus import EventBus
from eventbus.subjects import DIRECTORY_CHANGED
from mailwire.directory.v1 import directory_pb2 as wire

from directory.ports import Change


class BusChanges:
    """Fire and forget: caches also forget by themselves, a little later.

    What could not be told (the bus was away, or the process before this one died after a commit) is made up for by
    telling that anything may have changed.
    """

    def __init__(self, bus: EventBus) -> None:
        self._bus = bus
        bus.when_missed(self.tell_all)

    def tell_all(self) -> None:
        """Everybody forgets everything."""
        self._bus.tell(DIRECTORY_CHANGED, wire.DirectoryChanged().SerializeToString())

    def tell(self, change: Change) -> None:
        """After the commit."""
        message = wire.DirectoryChanged(
            tenant_id=change.tenant_id,
            account_id=change.account_id,
            addresses=change.addresses,
            domains=change.domains,
        )
        self._bus.tell(DIRECTORY_CHANGED, message.SerializeToString())
