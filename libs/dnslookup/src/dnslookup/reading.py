"""Records of an answer as text, and how long an answer may be kept."""

from typing import Any

import dns.message
import dns.rdatatype

# RFC 2308 §5: an answer that something is not there is kept for the time of the zone's SOA record.
NEGATIVE_KEPT_SECONDS = 60.0


def as_text(kind: str, record: Any) -> str:
    """A and AAAA: the address. MX: the exchange. PTR, CNAME: the name. TXT: its strings joined, every octet one character.

    TLSA: three numbers and the data in hexadecimal digits.
    """
    match kind:
        case "A" | "AAAA":
            return str(record.address)
        case "MX":
            return str(record.exchange.to_text()).rstrip(".").lower()
        case "PTR" | "CNAME":
            return str(record.target.to_text()).rstrip(".").lower()
        case "TXT":
            return b"".join(record.strings).decode("latin-1")
        case "TLSA":
            return f"{record.usage} {record.selector} {record.mtype} {record.cert.hex()}"
        case _:
            raise ValueError(f"{kind} records are not asked for")


def negative_seconds(response: dns.message.Message | None) -> float:
    """How long it may be remembered that something is not there; short where the answer does not say."""
    for rrset in response.authority if response is not None else ():
        if rrset.rdtype == dns.rdatatype.SOA:
            return float(min(rrset.ttl, rrset[0].minimum))
    return NEGATIVE_KEPT_SECONDS
