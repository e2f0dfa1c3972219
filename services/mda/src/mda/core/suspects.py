"""Messages that were being scanned when the scanner broke.

One of them may be what breaks it, again and again, while all others wait. So a
suspect is scanned alone, and what breaks the scanner `tries` times is not tried
again. A scanner that is broken altogether convicts nobody: only a failure after
which the scanner has answered for another message counts.
"""

from collections import OrderedDict

REMEMBERED = 10_000


class Suspects:
    """Of one scanner. A suspect is named by its queue id."""

    def __init__(self, tries: int) -> None:
        self._tries = tries
        self._answers = 0
        # Failures, and how many answers there had been at the last one that counted.
        self._failures: OrderedDict[str, tuple[int, int]] = OrderedDict()

    def is_suspect(self, queue_id: str) -> bool:
        """Whether it is to be scanned alone."""
        return queue_id in self._failures

    def answered(self, queue_id: str) -> None:
        """The scanner has answered for this message."""
        self._answers += 1
        self._failures.pop(queue_id, None)

    def broke(self, queue_id: str) -> bool:
        """The scanner broke while it had this message. True where it is not to have it again."""
        failures, answers = self._failures.pop(queue_id, (0, -1))
        if answers != self._answers:
            failures += 1
        if failures >= self._tries:
            return True
        self._failures[queue_id] = (failures, self._answers)
        if len(self._failures) > REMEMBERED:
            self._failures.popitem(last=False)
        return False
