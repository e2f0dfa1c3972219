"""Whoever gives no answer several times in turn is left alone for a while. Time is an argument, in seconds."""


class Breaker:
    """Of one other party."""

    def __init__(self, failures: int, seconds: float) -> None:
        self._allowed = failures
        self._seconds = seconds
        self._failures = 0
        self._open_until = 0.0

    def lets_through(self, now: float) -> bool:
        """Whether to try it. After the pause one try at a time shows whether it is back."""
        if now < self._open_until:
            return False
        if self._failures >= self._allowed:
            self._open_until = now + self._seconds
        return True

    def worked(self) -> None:
        """It answered."""
        self._failures, self._open_until = 0, 0.0

    def failed(self, now: float) -> None:
        """It did not."""
        self._failures += 1
        if self._failures >= self._allowed:
            self._open_until = now + self._seconds
