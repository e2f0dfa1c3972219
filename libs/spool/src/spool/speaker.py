"""Who is speaking, as far as the MX door could find out, and what it wants done about it."""

from dataclasses import dataclass
from enum import Enum

from senderauth.result import Result


class Handling(Enum):
    """What becomes of a message that was accepted. QUARANTINE: filed where junk goes."""

    USUAL = "usual"
    QUARANTINE = "quarantine"


@dataclass(frozen=True, slots=True)
class Signature:
    """What one DKIM signature came to."""

    result: Result
    domain: str
    selector: str


@dataclass(frozen=True, slots=True)
class Speaker:
    """The checks' results in the words of RFC 8601 §2.7.

    `spf_domain` is MAIL FROM's, or HELO's where that is empty. `client_name` leads to the client's address and back,
    "" where none does. `arc_sealers`, the newest last, only where `arc` passed. `author_domain` is From's, "" where
    readers could disagree about it; `dmarc_wish` what its owner asks for this message: none, quarantine or reject.
    """

    spf: Result
    spf_domain: str
    spf_helo: Result
    iprev: Result
    client_name: str
    signatures: tuple[Signature, ...]
    arc: Result
    arc_sealers: tuple[str, ...]
    dmarc: Result
    author_domain: str
    dmarc_wish: str

    def vouches_for(self, domain: str) -> bool:
        """Whether the owner of a reverse-path's domain spoke for this message: by SPF, or by DKIM where SPF does not object.

        A signed message can be sent again by anybody to anybody, from any reverse-path; that is what SPF objects to.
        """
        domain = domain.lower()
        if self.spf_domain.lower() == domain:
            if self.spf is Result.PASS:
                return True
            if self.spf in (Result.FAIL, Result.SOFTFAIL):
                return False
        signed = (each.domain.lower() for each in self.signatures if each.result is Result.PASS)
        return any(domain == name or ("." in name and domain.endswith(f".{name}")) for name in signed)
