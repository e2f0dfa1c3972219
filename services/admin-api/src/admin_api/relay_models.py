"""How mail leaves, and what others report of it, as JSON."""

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from admin_api.models import Wire

Protocol = Literal["smtp", "lmtp"]
Minimum = Literal["", "opportunistic", "encrypted", "verified"]


class NewRoute(Wire):
    """For a tenant, a domain, a tenant's mail to a domain, or with neither for everything.

    The nearest that says something of a subject (host; minimum_tls) counts for it.
    """

    tenant: Annotated[str, Field(description="its name or id; empty: all", max_length=100)] = ""
    domain: Annotated[str, Field(description="the recipients'; empty: all", max_length=255)] = ""
    host: Annotated[
        str,
        Field(description="host, host:port, address:port or [v6]:port, in place of the MX", max_length=300),
    ] = ""
    protocol: Protocol = "smtp"
    username: Annotated[str, Field(description="who we are at that host", max_length=255)] = ""
    password: Annotated[
        str, Field(description="empty: the one that is kept for this host and username", max_length=500)
    ] = ""
    minimum_tls: Annotated[
        Minimum,
        Field(
            description="opportunistic: TLS where it is offered; encrypted: TLS, whoever's certificate; verified: a"
            " certificate for the host's name; empty: nothing is said (verified where there is a username)"
        ),
    ] = ""
    egress: Annotated[str, Field(description="the pool that the mail leaves from", max_length=100)] = ""


class Route(BaseModel):
    """A rule as it is kept. A password is never told."""

    tenant: str
    tenant_id: str
    domain: str
    host: str
    protocol: Protocol
    username: str
    minimum_tls: Minimum
    egress: str


class NewSource(Wire):
    """Where connections come from: an address of ours, a proxy, or both."""

    pool: Annotated[str, Field(description="routes name it", min_length=1, max_length=100)]
    address: Annotated[str, Field(description="empty: whichever the system takes", max_length=45)] = ""
    proxy: Annotated[
        str, Field(description="socks5://host:port or haproxy://host:port; empty: none", max_length=300)
    ] = ""
    username: Annotated[str, Field(description="who we are at a SOCKS5 proxy", max_length=255)] = ""
    password: Annotated[str, Field(description="empty: the one that is kept", max_length=255)] = ""
    hello: Annotated[str, Field(description="said in EHLO; empty: our usual name", max_length=255)] = ""
    weight: Annotated[int, Field(description="how often, beside the others; 0: never", ge=0, le=1000)] = 1
    warmup_first: Annotated[
        int,
        Field(
            description="messages on the first day, twice as many on each that follows, for 20 days; 0: no limit",
            ge=0,
            le=1_000_000,
        ),
    ] = 0
    attempts_most: Annotated[
        int,
        Field(
            description="attempts that use it at once, over all processes and pools; 0: no limit of its own",
            ge=0,
            le=1_000_000,
        ),
    ] = 0


class Source(BaseModel):
    """One of a pool. A password is never told."""

    pool: str
    address: str
    proxy: str
    username: str
    hello: str
    weight: int
    warmup_first: int
    warmup_began: str
    messages_today: Annotated[int, Field(description="counted while it is warmed up")]
    attempts_most: int


class Report(BaseModel):
    """What one reporter says of one domain on one day: a stranger's word."""

    tenant: str
    tenant_id: str
    domain: str
    organization: str
    report_id: str
    begin_at: datetime
    end_at: datetime
    passed: Annotated[int, Field(description="sessions (TLS) or messages (DMARC)")]
    failed: int
    figures: Annotated[
        list[dict[str, object]],
        Field(description="TLS: results by host; DMARC: messages by client, most frequent first"),
    ]


class SentReport(BaseModel):
    """A report of ours about a day, or why there was none."""

    kind: Literal["tls", "dmarc"]
    day: date
    domain: str
    sent_to: list[str]
    problem: str
