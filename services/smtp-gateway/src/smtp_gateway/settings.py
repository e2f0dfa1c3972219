"""Settings of the smtp-gateway (environment, prefix SMTP_GATEWAY_). Defaults are Postfix's where it has the like."""

from ipaddress import IPv4Network, IPv6Network
from typing import Literal

from pydantic import Field, IPvAnyNetwork
from pydantic_settings import SettingsConfigDict
from servicekit.settings import BlobSettings, BusSettings, DirectorySettings, ServiceSettings, TlsSettings

from smtp_gateway.hook_settings import HookSettings
from smtp_gateway.limit_settings import LimitSettings
from smtp_gateway.sender_settings import SenderSettings


class Settings(
    ServiceSettings,
    BusSettings,
    BlobSettings,
    DirectorySettings,
    TlsSettings,
    LimitSettings,
    SenderSettings,
    HookSettings,
):
    """What the gateway can be told. A port of 0 is not opened."""

    model_config = SettingsConfigDict(env_prefix="SMTP_GATEWAY_")

    host: str = Field("127.0.0.1", description="address to listen on")
    mda_target: str = Field(
        "",
        description="host:port of the mda's gRPC, which judges content before it is accepted, for tenants that want that; "
        "empty: nobody is asked",
    )
    queue_target: str = Field(
        "",
        description="host:port of the mta-queue's gRPC, which says who gets none of a tenant's mail any more, for tenants that "
        "want such recipients refused; empty: nobody is asked",
    )
    judge_seconds: float = Field(90.0, description="so long an answer of it is waited for", gt=0, le=300)
    hostname: str = Field("localhost", description="the name we greet with and put into Received")
    postmaster: str = Field(
        "",
        description="an address of ours for mail to <postmaster> without a domain (RFC 5321 §4.5.1); empty: the postmaster of "
        "our hostname's domain, or of the one above it",
    )
    mx_port: int = Field(25, description="mail from the world, for our own domains", ge=0, le=65535)
    submission_port: int = Field(587, description="mail from users, with STARTTLS (RFC 6409)", ge=0, le=65535)
    submissions_port: int = Field(
        465, description="mail from users, in TLS from the start (RFC 8314)", ge=0, le=65535
    )
    allow_plaintext_login: Literal["never", "loopback"] = Field(
        "never", description="loopback: a password is taken without TLS from 127.0.0.0/8 and ::1"
    )
    msa_tls_minimum: Literal["1.2", "1.3"] = Field(
        "1.2", description="the oldest TLS that is spoken with users; TLS_MINIMUM is for the mx port"
    )
    scram: Literal["on", "off", "plus"] = Field(
        "on",
        description="whether AUTH offers SCRAM-SHA-256, for which the directory must keep keys; plus: also the one that is "
        "bound to the certificate (tls-server-end-point), which clients that know only other bindings stumble over",
    )
    oauth: Literal["on", "off"] = Field(
        "off",
        description="whether AUTH offers OAUTHBEARER and XOAUTH2; a tenant's OpenID provider is set in the directory",
    )
    message_size_octets: int = Field(50 * 1024 * 1024, description="the largest message taken", ge=65_536)
    binary_mime: Literal["offered", "refused"] = Field(
        "offered",
        description="BODY=BINARYMIME (RFC 3030): what is taken so is made 7-bit for systems that take no more",
    )
    dsn_roles: tuple[Literal["mx", "msa"], ...] = Field(
        ("msa",),
        description="doors where DSN (RFC 3461) is offered; at the mx a stranger could have us tell a forged sender of success",
    )
    future_release_seconds: int = Field(
        2_592_000,
        description="how long users may have a message held (FUTURERELEASE, RFC 4865); 0: not offered",
        ge=0,
        le=999_999_999,
    )
    priority_most: int = Field(
        4, description="the highest MT-PRIORITY (RFC 6710) a user may ask for; more is lowered", ge=0, le=9
    )
    inflight_octets: int = Field(
        512 * 1024 * 1024, description="messages being received at once, together; beyond it 452", ge=1 << 20
    )
    recipients: int = Field(
        1000, description="recipients of one message (RFC 5321 §4.5.3.1.8: at least 100)", ge=100
    )
    header_octets: int = Field(
        256 * 1024, description="the largest header of a message, trace fields included", ge=32 * 1024
    )
    header_field_octets: int = Field(
        100 * 1024, description="the largest field of a header, as Postfix's header_size_limit", ge=4 * 1024
    )
    errors: int = Field(20, description="5yz answers before a session is ended", ge=1)
    junk_commands: int = Field(
        100,
        description="commands that move no mail (NOOP, RSET, VRFY, EXPN, HELP) before each more of them costs an error",
        ge=10,
    )
    hops: int = Field(
        50, description="Received fields before a message is called a loop (RFC 5321 §6.3)", ge=10
    )
    command_seconds: float = Field(
        300.0,
        description="longest time for a whole command, from our last answer on (RFC 5321 §4.5.3.2.7)",
        gt=0,
    )
    data_octets_per_second: int = Field(500, description="slower than this, after a minute, is cut off", ge=0)
    login_failures: int = Field(5, description="wrong passwords before a session is ended", ge=1)
    lmtp_port: int = Field(
        0, description="mail for our own domains from a site's own MTA, by LMTP (RFC 2033)", ge=0, le=65535
    )
    lmtp_networks: tuple[IPvAnyNetwork, ...] = Field(
        (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128")),
        description="who may speak LMTP: its mail is neither checked nor limited as a stranger's is",
    )
    proxy_networks: tuple[IPvAnyNetwork, ...] = Field(
        (),
        description="addresses of proxies that begin every connection with the PROXY protocol",
    )
    proxy_seconds: float = Field(5.0, description="how long a proxy's preface may take", gt=0, le=60)
    xclient_networks: tuple[IPvAnyNetwork, ...] = Field(
        (), description="addresses that may say with XCLIENT for whom they speak"
    )
    max_connections: int = Field(10_000, ge=1)
    messages_at_once: int = Field(
        1000,
        description="messages that have come and are not answered yet; beyond it MAIL is 451. 0: no limit",
        ge=0,
    )
    lag_seconds: float = Field(
        5.0,
        description="how late the process may come to what is due before connections are 421 and MAIL is 451. 0: no limit",
        ge=0,
    )
    grpc_host: str = Field("127.0.0.1", description="address for the operator's orders")
    grpc_port: int = Field(0, description="port for the operator's orders (gRPC); 0: none", ge=0, le=65535)
