"""What can go wrong with the bus, by what may be concluded from it."""


class BusUnavailable(Exception):
    """Nothing was stored; asking again later may help."""


class OutcomeUnknown(Exception):
    """The message may be stored or not; no answer came back in time."""


class BusMisconfigured(Exception):
    """The bus would forget what it acknowledged; the text says what to set."""
