"""Settings come from the environment only; secrets come from files.

A service subclasses `ServiceSettings` with its prefix and inherits the mixins of
what it uses:

    class Settings(ServiceSettings, BusSettings):
        model_config = SettingsConfigDict(env_prefix="MDA_")
"""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field
from pydantic_settings import BaseSettings


class ServiceSettings(BaseSettings):
    """What every process of ours can be told."""

    http_host: str = Field("127.0.0.1", description="address of /metrics, /healthz and /readyz")
    http_port: int = Field(0, description="its port; 0 turns it off", ge=0, le=65535)
    drain_seconds: float = Field(
        10.0, description="how long work under way may go on after SIGTERM", ge=0, le=600
    )
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    identity_certificate_file: Path | None = Field(
        None,
        description="who this process is towards the other services; without it gRPC is plain, on loopback only",
    )
    identity_key_file: Path | None = None
    identity_authority_file: Path | None = Field(
        None, description="certificates of the authorities whose word about other services counts"
    )


class BusSettings(BaseModel):
    """Where the message bus is."""

    nats_url: str = Field(
        "nats://127.0.0.1:4222", description="NATS, with credentials where it asks for them"
    )
    nats_monitor_url: str = Field(
        "",
        description="http address of NATS monitoring, to check that it syncs every write; empty: not checked",
    )


class BlobSettings(BaseModel):
    """Where message bodies rest."""

    s3_url: str = Field("http://127.0.0.1:8333", description="endpoint of the object storage")
    s3_bucket: str = "mail"
    s3_access_key_file: Path
    s3_secret_key_file: Path


class DatabaseSettings(BaseModel):
    """Which PostgreSQL database, as which role."""

    database_dsn_file: Path = Field(description="a file that holds postgresql://user:password@host:port/name")
    database_pool_size: int = Field(4, description="connections of this process at most", ge=1, le=64)


class TlsSettings(BaseModel):
    """The certificates that listeners show (servicekit.certificates); the first two: both or none.

    Files are read again when they change.
    """

    tls_certificate_file: Path | None = Field(
        None, description="with its chain, in PEM: for clients that name no host that the folder has"
    )
    tls_key_file: Path | None = None
    tls_certificates_folder: Path | None = Field(
        None,
        description="certificates for other names: NAME.crt with NAME.key, or NAME.pem with both; which hosts they are "
        "for is said by their subject alternative names",
    )
    tls_client_authorities_file: Path | None = Field(
        None,
        description="authorities, in PEM, whose certificates clients may show; the doors that know how (EXTERNAL) let them in"
        " with those",
    )
    tls_client_revocations_file: Path | None = Field(
        None,
        description="certificate revocation lists, in PEM: one of each of those authorities, and of each between them and "
        "a client's certificate, or none of their certificates is believed; nor is one by a list that is out of date",
    )
    tls_minimum: Literal["1.2", "1.3"] = Field("1.2", description="the oldest TLS that is spoken")


class DirectorySettings(BaseModel):
    """Where the directory service answers."""

    directory_target: str = Field("127.0.0.1:2701", description="host:port of its gRPC")


def read_secrets(path: Path) -> list[str]:
    """A secret's file with one a line, the newest first. Raises OSError where it cannot be read."""
    return [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def read_secret(path: Path) -> str:
    """The one line of a secret's file. Raises OSError where it cannot be read."""
    return path.read_text(encoding="utf-8").strip()
