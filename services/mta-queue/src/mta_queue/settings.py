"""Settings of the mta-queue (environment, prefix MTA_QUEUE_)."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict
from servicekit.settings import (
    BlobSettings,
    BusSettings,
    DatabaseSettings,
    DirectorySettings,
    ServiceSettings,
)


class Settings(ServiceSettings, BusSettings, BlobSettings, DatabaseSettings, DirectorySettings):
    """What the mta-queue can be told."""

    model_config = SettingsConfigDict(env_prefix="MTA_QUEUE_")

    hostname: str = Field("localhost", description="the name we say in EHLO and in notices")
    dns_servers: str = Field("", description="host:port,...; empty: the system's")
    dns_validates: bool = Field(
        False,
        description="these servers validate DNSSEC and nobody stands between them and us (loopback, a private link):"
        " DANE depends on it",
    )
    tls_authorities_file: Path | None = Field(
        None, description="certificates of the authorities that we trust, PEM; empty: the system's"
    )
    srs_secret_file: Path | None = Field(
        None,
        description="signs the reverse-paths of forwarded mail; the gateways have the same file; one secret a line, the"
        " first signs, all are believed; empty: forwarded mail keeps its reverse-path",
    )
    report_address: str = Field(
        "",
        description="where daily reports of TLS and DMARC come from: an address of a domain of ours that has DKIM keys;"
        " empty: none are made, and nothing is counted for them",
    )
    secret_file: Path | None = Field(
        None,
        description="keeps the passwords of routes: one secret a line, at least 20 characters; the first seals, all open",
    )
    https_port: int = Field(443, description="where MTA-STS policies are fetched", ge=1, le=65535)
    grpc_host: str = Field("127.0.0.1", description="address of the operator's gRPC")
    grpc_port: int = Field(0, description="its port, usually 2702; 0 turns it off", ge=0, le=65535)
    smtp_port: int = Field(25, description="the port of other systems' MTAs", ge=1, le=65535)
    allow_private_destinations: bool = Field(
        False,
        description="connect to loopback and private addresses too; off, so that an MX cannot point inside",
    )
    connect_seconds: float = Field(30.0, gt=0, le=300)
    reply_seconds: float = Field(
        300.0, description="upper bound of every wait for a reply (RFC 5321 §4.5.3.2)", gt=0, le=900
    )
    transaction_seconds: float = Field(
        1800.0,
        description="upper bound of one transaction from the connection on, but for the time that its content takes at"
        " 8 KiB/s: who answers each command at the last moment holds a place no longer",
        gt=0,
        le=7200,
    )
    retry_first_seconds: float = Field(300.0, description="wait after the first attempt that failed", gt=0)
    retry_longest_seconds: float = Field(3600.0, description="waits double up to this", gt=0)
    expire_seconds: float = Field(432_000.0, description="a message is given up after so long (5 days)", gt=0)
    warn_seconds: float = Field(
        14_400.0, description="the sender is told of a delay after so long (4 h); 0: never", ge=0
    )
    attempts_at_once: int = Field(64, description="transactions with other systems under way at once", ge=1)
    attempts_a_destination: int = Field(
        20, description="of these to one domain, counted over all processes for what has waited", ge=1
    )
    attempts_a_tenant: int = Field(48, description="of these for one tenant, counted so too", ge=1)
    suppression_days: float = Field(
        90.0,
        description="how long what bounced for good, or complained, is on a tenant's list of suppressed addresses",
        gt=0,
        le=3650,
    )
    outcome_days: float = Field(
        60.0,
        description="how long it can be looked up what became of a recipient; a respool of older mail would send it again",
        # No shorter than deliveries to mailboxes are remembered (mailstore.upkeep).
        ge=31,
        le=3650,
    )
    history_days: float = Field(30.0, description="how long attempts can be looked up", gt=0, le=3650)
    dead_host_seconds: float = Field(
        60.0,
        description="a host that does not answer is not asked again for so long, then twice as long, up to 16 times;"
        " never longer at first than the first wait",
        gt=0,
        le=3600,
    )
    messages_a_connection: int = Field(
        100, description="messages sent on one connection before it is closed", ge=1, le=10_000
    )
    connection_idle_seconds: float = Field(
        5.0, description="how long a connection that has sent its message is kept for another", ge=0, le=60
    )
    ack_wait_seconds: float = Field(
        15.0,
        description="a first attempt that a dead process had begun is made again after so long",
        ge=3,
        le=600,
    )
    lease_seconds: float = Field(
        120.0, description="an item that a dead process had taken is free again after so long", ge=3, le=3600
    )
    poll_seconds: float = Field(1.0, description="how often due items are looked for", gt=0, le=60)
