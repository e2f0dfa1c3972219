"""Settings of the directory (environment, prefix DIRECTORY_)."""

from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

from mailproto.sasl.scram import ITERATIONS_LEAST
from pydantic import Field, field_validator, model_validator
from pydantic_settings import SettingsConfigDict
from servicekit.settings import BusSettings, DatabaseSettings, ServiceSettings


class Settings(ServiceSettings, BusSettings, DatabaseSettings):
    """What the directory can be told."""

    model_config = SettingsConfigDict(env_prefix="DIRECTORY_")

    grpc_host: str = Field("127.0.0.1", description="address of its gRPC")
    grpc_port: int = Field(2701, ge=0, le=65535)
    argon2_memory_kib: int = Field(
        65_536, description="memory of one argon2id hash (RFC 9106 §4)", ge=8, le=1 << 22
    )
    argon2_passes: int = Field(3, ge=1, le=16)
    argon2_threads: int = Field(
        2, description="hashes under way at once; each takes argon2_memory_kib and a core", ge=1, le=64
    )
    dkim_secret_file: Path | None = Field(
        None,
        description="secrets that private keys of domains are encrypted with, one a line (at least 20 characters): the "
        "first one encrypts, all of them decrypt; without it there are no such keys",
    )
    key_encryption_file: Path | None = Field(
        None,
        description="secrets that data keys of tenants are wrapped with, one a line (at least 20 characters): the first "
        "one wraps, all of them unwrap; read again when it has changed",
    )
    transit_url: str = Field(
        "",
        description="in the place of that file a server that speaks Vault's transit API, with the mount: "
        "https://vault.example.org:8200/v1/transit",
    )
    transit_key: str = Field(
        "posthouse", description="name of the key there, of the type aes256-gcm96", min_length=1
    )
    transit_token_file: Path | None = Field(None, description="the token for it; read for every question")
    transit_ca_file: Path | None = Field(
        None, description="certificates (PEM) that the server may have too, beside the world's"
    )
    verdict_seconds: float = Field(
        60.0,
        description="how long a right password is remembered, to spare the hash; 0 turns that off",
        ge=0,
        le=600,
    )
    openid_ca_file: Path | None = Field(
        None, description="certificates (PEM) that OpenID providers may have too, beside the world's"
    )
    inside_networks: list[IPv4Network | IPv6Network] = Field(
        default_factory=list,
        description="networks of our own that OpenID providers and LDAP servers may be in (JSON list of CIDR); all others of ours are not "
        "connected to, whatever a tenant names",
    )
    web_domain: str = Field(
        "",
        description="of the web site where users log in (the RP ID of WebAuthn); empty: there is no WebAuthn",
    )
    web_origins: list[str] = Field(
        default_factory=list, description='of that site\'s pages, e.g. ["https://mail.example.org"]'
    )
    deleted_account_days: int = Field(
        30,
        description="how long a deleted account can be restored; then it and its mail are removed",
        ge=0,
        le=3650,
    )
    failures_a_minute: int = Field(
        300,
        description="wrong passwords a minute, over all, from which on each address may fail less without waiting",
        ge=1,
    )
    scram_iterations: int = Field(
        32_768,
        description="of SCRAM-SHA-256 keys (RFC 7677 §4), which clients pay for too; 0: no SCRAM and no such keys",
        ge=0,
        le=1_000_000,
    )

    @model_validator(mode="after")
    def _one_provider(self) -> "Settings":
        if bool(self.transit_url) != (self.transit_token_file is not None):
            raise ValueError("transit_url and transit_token_file are set together")
        if self.transit_url and self.key_encryption_file is not None:
            raise ValueError("key_encryption_file or transit_url, not both")
        return self

    @field_validator("scram_iterations")
    @classmethod
    def _enough_or_none(cls, value: int) -> int:
        if 0 < value < ITERATIONS_LEAST:
            raise ValueError(f"at least {ITERATIONS_LEAST}, or 0")
        return value
