"""Names seen lately, a bounded number of them, each for a while."""


class Lately:
    """Time is an argument, in seconds."""

    def __init__(self, seconds: float, names_most: int = 50_000) -> None:
        self._seconds = seconds
        self._most = names_most
        self._until: dict[str, float] = {}

    def note(self, name: str, now: float) -> None:
        """It was seen now."""
        self._until.pop(name, None)
        if len(self._until) >= self._most:
            del self._until[next(iter(self._until))]
        self._until[name] = now + self._seconds

    def has(self, name: str, now: float) -> bool:
        """Whether it was seen lately."""
        return self._until.get(name, 0.0) > now

    def forget(self, name: str) -> None:
        """It was not seen."""
        self._until.pop(name, None)
