"""The message that is coming: the memory that it takes and the pace at which it comes."""

from mailproto.smtp.reply import Reply

from smtp_gateway import metrics
from smtp_gateway.edge.needs import Needs

TOO_SLOW = Reply.of(421, "4.4.2", "The data came too slowly")
NO_ROOM = Reply.of(452, "4.3.1", "No room for the message now")
RATE_GRACE_SECONDS = 60.0


class Intake:
    """One session's share of the octets that are being received."""

    def __init__(self, needs: Needs) -> None:
        self._needs = needs
        self._held = 0
        self._started = 0.0
        self._octets = 0

    def begin(self) -> None:
        """A message begins to come."""
        self._started, self._octets = self._needs.clock(), 0

    def came(self, came_octets: int, octets: int) -> Reply | None:
        """More came, and the machine holds so many octets now; the reply that ends the session where that cannot be."""
        if octets > self._held:
            if not self._needs.budget.take(octets - self._held):
                return NO_ROOM
            self._held = octets
        elif octets < self._held:
            self._needs.budget.give_back(self._held - octets)
            self._held = octets
        metrics.INFLIGHT.set(self._needs.budget.taken)
        elapsed = self._needs.clock() - self._started
        self._octets += came_octets
        least = self._needs.settings.data_octets_per_second
        if elapsed > RATE_GRACE_SECONDS and self._octets < least * elapsed:
            return TOO_SLOW
        return None

    def release(self) -> None:
        """Nothing is held any more."""
        self._needs.budget.give_back(self._held)
        self._held = 0
