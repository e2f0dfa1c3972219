"""Keys that sign for a domain: their selectors, how they are made, what DNS must say of them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from senderauth.dkim import Algorithm, generate_pem, signing_key

from directory.core.names import DOMAIN_OCTETS, LABEL, NameInvalid

# Two pairs while one is being replaced by the next, and some room.
MOST_OF_A_DOMAIN = 8
BOTH = (Algorithm.RSA_SHA256, Algorithm.ED25519_SHA256)
ENDINGS = {Algorithm.RSA_SHA256: "-rsa", Algorithm.ED25519_SHA256: "-ed25519"}


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that is not kept yet. `private_key` in PEM."""

    selector: str
    algorithm: Algorithm
    private_key: bytes
    record: str


def record_name(domain: str, selector: str) -> str:
    """Where DNS must have the record (RFC 6376 §3.6.2.1)."""
    return f"{selector}._domainkey.{domain}"


def selectors(
    domain: str, wish: str, algorithms: Sequence[Algorithm], taken: Collection[str], now: datetime
) -> list[str]:
    """One for each algorithm; without a wish such as nobody has. Raises NameInvalid."""
    base = wish.strip(" ").lower().removesuffix(".")
    found = _with_endings(base, algorithms)
    if not base:
        month, number = now.strftime("%Y%m"), 1
        found = _with_endings(month, algorithms)
        while not set(found).isdisjoint(taken):
            number += 1
            found = _with_endings(f"{month}-{number}", algorithms)
    for selector in found:
        if not all(LABEL.fullmatch(label) for label in selector.split(".")):
            raise NameInvalid(
                f"{selector} is not a selector: labels of a-z, 0-9 and -, with dots between them"
            )
        if len(record_name(domain, selector)) > DOMAIN_OCTETS:
            raise NameInvalid(f"{record_name(domain, selector)} is too long for DNS")
    return found


def _with_endings(base: str, algorithms: Sequence[Algorithm]) -> list[str]:
    if len(algorithms) == 1:
        return [base]
    return [base + ENDINGS[algorithm] for algorithm in algorithms]


def make(domain: str, selector: str, algorithm: Algorithm) -> NewKey:
    """A new key. RSA takes a tenth of a second and more."""
    pem = generate_pem(algorithm)
    return NewKey(selector, algorithm, pem, signing_key(domain, selector, pem).record)
