"""Private keys of DKIM at rest (servicekit.sealing). A sealed key opens for its own domain, selector and algorithm only."""

from collections.abc import Sequence

from servicekit import sealing
from servicekit.sealing import SecretWeak, Unopened

__all__ = ["Sealer", "SecretWeak", "Unopened"]


class Sealer(sealing.Sealer):
    """Knows the secrets. Raises SecretWeak, also where there is none."""

    def __init__(self, secrets: Sequence[str]) -> None:
        super().__init__(secrets, "dkim keys at rest")
