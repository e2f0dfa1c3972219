"""Settings of managesieve (environment, prefix MANAGESIEVE_)."""

from typing import Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict
from servicekit.settings import (
    BusSettings,
    DatabaseSettings,
    DirectorySettings,
    ServiceSettings,
    TlsSettings,
)


class Settings(ServiceSettings, BusSettings, DatabaseSettings, DirectorySettings, TlsSettings):
    """What managesieve can be told."""

    model_config = SettingsConfigDict(env_prefix="MANAGESIEVE_")

    host: str = Field("127.0.0.1", description="address that the listener opens")
    port: int = Field(4190, description="ManageSieve with STARTTLS (RFC 5804 §1.8)", ge=1, le=65535)
    allow_plaintext_login: Literal["never", "loopback"] = Field(
        "never", description="who may send a password without TLS: nobody, or clients on this machine"
    )
    oauth: Literal["on", "off"] = Field(
        "off",
        description="whether OAUTHBEARER and XOAUTH2 are offered; a tenant's OpenID provider is set in the directory",
    )
    scram: Literal["on", "off", "plus"] = Field(
        "on",
        description="whether AUTHENTICATE offers SCRAM-SHA-256, for which the directory must keep keys; plus: also the one "
        "that is bound to the certificate (tls-server-end-point), which clients that know only other bindings stumble over",
    )
    max_connections: int = Field(1000, description="of one process", ge=1)
    login_seconds: float = Field(120.0, description="how long a client may take until it has logged in", gt=0)
    idle_seconds: float = Field(
        1800.0, description="silence that ends a session; RFC 5804 §1.6 asks for 30 minutes at least", ge=1800
    )
    login_cache_seconds: float = Field(
        30.0,
        description="how long a password that was right is not asked for again; 0: always ask",
        ge=0,
        le=300,
    )
    scripts_an_account: int = Field(32, description="so many scripts one account may keep", ge=1, le=1000)
    script_octets: int = Field(
        1024 * 1024,
        description="the largest script; the language itself ends there too",
        ge=1024,
        le=1024 * 1024,
    )
