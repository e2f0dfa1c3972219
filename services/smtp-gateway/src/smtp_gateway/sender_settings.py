"""Settings of the checks of who is speaking, and of signing (part of the gateway's Settings, same prefix)."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field, IPvAnyNetwork


class SenderSettings(BaseModel):
    """What the MX door asks of strangers, and how submitted mail is signed."""

    dns_servers: str = Field("", description="host:port,... to ask; empty: the system's")
    sender_checks: Literal["on", "off"] = Field(
        "on", description="SPF, DKIM, DMARC, ARC and reverse DNS of what comes to the mx port"
    )
    sender_checks_exempt: tuple[IPvAnyNetwork, ...] = Field(
        ("127.0.0.0/8", "::1"),
        validate_default=True,
        description="clients whose mail is not checked: this machine; add relays of your own that pass on others' mail",
    )
    sender_check_seconds: float = Field(
        8.0, description="for all checks of a message; what has no answer then is a temperror", gt=0, le=60
    )
    authserv_id: str = Field(
        "", description="our name in Authentication-Results (RFC 8601 §2.5); empty: HOSTNAME"
    )
    dmarc: Literal["mark", "quarantine", "reject"] = Field(
        "mark",
        description="how far a domain owner's wish is followed for mail that fails DMARC: written down only; into Junk, "
        "also where refusing was asked for; or as asked",
    )
    ambiguous_authors: Literal["judged", "taken", "refused"] = Field(
        "judged",
        description="a From that readers can take for different domains, of which DMARC cannot judge one: into Junk where "
        "domain owners' wishes are followed, since a forger would evade them by it; or taken as if there were nothing to "
        "judge; or refused",
    )
    arc_trusted_sealers: tuple[str, ...] = Field(
        (),
        description="domains of forwarders and lists whose ARC seal is believed: what they saw pass DMARC is not held "
        "against the message they changed",
    )
    srs_secret_file: Path | None = Field(
        None,
        description="signs the reverse-paths of forwarded mail, so that bounces find their way back: the file that the"
        " mta-queue has; empty: there are none",
    )
    dkim_lifetime_seconds: int = Field(
        1_209_600,
        description="how long a DKIM signature holds (x=): longer than mail waits in queues",
        ge=86_400,
    )
