"""Settings of the mda (environment, prefix MDA_)."""

from pathlib import Path
from typing import Literal

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
    """What the mda can be told."""

    model_config = SettingsConfigDict(env_prefix="MDA_")

    hostname: str = Field("localhost", description="the name that notices of delivery come from")
    batch_messages: int = Field(
        256, description="messages of one transaction at most; fewer when fewer have come", ge=1, le=1024
    )
    filing_tasks: int = Field(2, description="transactions under way at once", ge=1, le=16)
    ack_wait_seconds: float = Field(
        10.0,
        description="after so long without an acknowledgement a message comes again, to any process",
        ge=1,
    )
    retry_seconds: float = Field(2.0, description="pause after PostgreSQL was out of reach", gt=0, le=300)
    poison_tries: int = Field(
        3, description="tries of a message that fails by itself before it is put aside", ge=1
    )
    clamd: str = Field("", description="host:port of a clamd that looks for viruses; empty: nobody does")
    icap_url: str = Field(
        "",
        description="icap://host[:port]/service of an ICAP server (RFC 3507) that looks for viruses; empty: nobody does",
    )
    rspamd_url: str = Field("", description="http://host:port of an rspamd; empty: nobody looks for spam")
    rspamd_learn: str = Field(
        "",
        description="host:port of rspamd's controller, which learns what users take for spam; empty: nobody learns",
    )
    rspamd_password_file: Path | None = Field(
        None, description="a file with the controller's password; none: it lets us in by our address"
    )
    spam_score: float = Field(6.0, description="from this score of rspamd on a message is filed into Junk")
    when_unscanned: Literal["wait", "deliver marked"] = Field(
        "wait",
        description="a message whose scanner is down waits, or is delivered with a field that says so; "
        "what a scanner cannot look through goes to the quarantine, or is delivered so",
    )
    scans_at_once: int = Field(
        8,
        description="messages being scanned at once, each with its body in memory; large ones: two",
        ge=1,
        le=256,
    )
    scan_seconds: float = Field(
        60.0, description="a scanner that gives no answer in this time is taken for broken", gt=0, le=600
    )
    scan_octets: int = Field(
        100 * 1024 * 1024,
        description="larger messages are not given to scanners (clamd: StreamMaxLength)",
        ge=1,
    )
    quarantine_days: float = Field(
        30.0, description="messages are kept so long for their tenant to look at", gt=0, le=3650
    )
    queue_target: str = Field(
        "",
        description="host:port of the mta-queue's gRPC, which says what it needs of stored messages; empty: none are removed",
    )
    housekeeping_hours: float = Field(
        6.0, description="so often stored messages that nobody needs are looked for", gt=0, le=720
    )
    object_days: float = Field(
        7.0, description="stored messages stay so long whether or not anybody needs them", ge=1, le=365
    )
    unsubscribe_url: str = Field(
        "",
        description="https://host where the world reaches admin-api's /unsubscribe; members of mailing lists leave there with "
        "one click (RFC 8058); empty: they leave by mail",
        pattern=r"^(https://[A-Za-z0-9.:\[\]-]+(/[A-Za-z0-9._~/-]*)?)?$",
    )
    grpc_host: str = Field("127.0.0.1", description="address of the operator's gRPC (the quarantine)")
    grpc_port: int = Field(0, description="its port, usually 2703; 0 turns it off", ge=0, le=65535)
