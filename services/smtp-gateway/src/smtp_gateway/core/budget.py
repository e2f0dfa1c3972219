"""Octets of messages being received, over all connections of the process."""


class Budget:
    """What is taken must be given back."""

    def __init__(self, limit_octets: int) -> None:
        self._limit = limit_octets
        self.taken = 0

    def take(self, octets: int) -> bool:
        """False when there is no room; then nothing was taken."""
        if self.taken + octets > self._limit:
            return False
        self.taken += octets
        return True

    def give_back(self, octets: int) -> None:
        """Room again."""
        self.taken -= octets
