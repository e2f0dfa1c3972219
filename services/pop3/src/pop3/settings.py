"""Settings of pop3 (environment, prefix POP3_)."""

from typing import Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict
from servicekit.settings import (
    BlobSettings,
    BusSettings,
    DatabaseSettings,
    DirectorySettings,
    ServiceSettings,
    TlsSettings,
)


class Settings(ServiceSettings, BusSettings, BlobSettings, DatabaseSettings, DirectorySettings, TlsSettings):
    """What pop3 can be told."""

    model_config = SettingsConfigDict(env_prefix="POP3_")

    host: str = Field("127.0.0.1", description="address that the listeners open")
    port: int = Field(110, description="POP3 with STLS; 0 turns it off", ge=0, le=65535)
    tls_port: int = Field(995, description="POP3 over TLS (RFC 8314); 0 turns it off", ge=0, le=65535)
    hostname: str = Field("localhost", description="the name that the greeting says")
    allow_plaintext_login: Literal["never", "loopback"] = Field(
        "never", description="who may send a password without TLS: nobody, or clients on this machine"
    )
    scram: Literal["on", "off", "plus"] = Field(
        "on",
        description="whether AUTH offers SCRAM-SHA-256, for which the directory must keep keys; plus: also the one that is "
        "bound to the certificate (tls-server-end-point), which clients that know only other bindings stumble over",
    )
    oauth: Literal["on", "off"] = Field(
        "off",
        description="whether OAUTHBEARER and XOAUTH2 are offered; a tenant's OpenID provider is set in the directory",
    )
    max_connections: int = Field(10_000, description="of one listener of one process", ge=1)
    login_seconds: float = Field(180.0, description="how long a client may take until it has logged in", gt=0)
    idle_seconds: float = Field(
        600.0, description="silence that ends a session; RFC 1939 §3 asks for 10 minutes at least", ge=600
    )
    keepalive_seconds: int = Field(
        30,
        description="silence after which TCP asks whether the client is still there; one that vanished without a word lets "
        "go of its maildrop after as long again",
        ge=3,
        le=7200,
    )
    body_cache_octets: int = Field(
        64 * 1024 * 1024,
        description="octets of the object storage kept on the local disk, as they lie there; 0: none",
        ge=0,
        le=1 << 40,
    )
    body_cache_folder: str = Field(
        "", description="where (a file without a name, gone with the process); empty: with temporary files"
    )
    login_cache_seconds: float = Field(
        30.0,
        description="how long a password that was right is not asked for again; 0: always ask",
        ge=0,
        le=300,
    )
