"""Settings of imap (environment, prefix IMAP_)."""

from functools import cache
from typing import Literal, Self

from pydantic import Field, model_validator
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
    """What imap can be told."""

    model_config = SettingsConfigDict(env_prefix="IMAP_")

    host: str = Field("127.0.0.1", description="address that the listeners open")
    port: int = Field(143, description="IMAP with STARTTLS; 0 turns it off", ge=0, le=65535)
    tls_port: int = Field(993, description="IMAP over TLS (RFC 8314); 0 turns it off", ge=0, le=65535)
    hostname: str = Field("localhost", description="the name that the greeting says")
    allow_plaintext_login: Literal["never", "loopback"] = Field(
        "never", description="who may send a password without TLS: nobody, or clients on this machine"
    )
    scram: Literal["on", "off", "plus"] = Field(
        "on",
        description="whether AUTHENTICATE offers SCRAM-SHA-256, for which the directory must keep keys; plus: also the one "
        "that is bound to the certificate (tls-server-end-point), which clients that know only other bindings stumble over",
    )
    oauth: Literal["on", "off"] = Field(
        "off",
        description="whether OAUTHBEARER and XOAUTH2 are offered; a tenant's OpenID provider is set in the directory",
    )
    certificate_login: Literal["off", "external", "preauth"] = Field(
        "external",
        description="what a client with a certificate may do (IMAP_TLS_CLIENT_AUTHORITIES_FILE): nothing, AUTHENTICATE"
        " EXTERNAL, or come in at once (PREAUTH) where the port is a TLS one",
    )
    max_connections: int = Field(10_000, description="of one listener of one process", ge=1)
    login_seconds: float = Field(180.0, description="how long a client may take until it has logged in", gt=0)
    idle_seconds: float = Field(
        1800.0, description="silence that ends a session; RFC 3501 §5.4 asks for 30 minutes at least", ge=1800
    )
    login_failures: int = Field(5, description="wrong passwords before a session is ended", ge=1)
    login_penalty_seconds: float = Field(
        0.5,
        description="how long the answer to a wrong password is held back, twice as long each time in one session; 0: not",
        ge=0,
        le=15,
    )
    errors: int = Field(50, description="BAD answers before a session is ended", ge=1)
    literal_octets: int = Field(
        64 * 1024, description="literals of one command together, APPEND aside", ge=1024
    )
    append_octets: int = Field(
        50 * 1024 * 1024, description="the largest message that APPEND takes", ge=65_536
    )
    language: Literal["en", "de"] = Field(
        "en",
        description="what clients get that ask for the default language (RFC 5255); none asked for: English",
    )
    message_limit: int = Field(
        0, description="messages that one command takes (RFC 9738); 0: any number", ge=0, le=10_000_000
    )
    save_limit: int = Field(
        0,
        description="the same where only COPY and APPEND are limited; not beside message_limit",
        ge=0,
        le=10_000_000,
    )
    progress_seconds: float = Field(
        10.0, description="how often a command that takes long says so (RFC 9585)", gt=0, le=600
    )
    utf8: Literal["accept", "strict", "only"] = Field(
        "accept",
        description="RFC 6855: 8-bit headers are kept whoever appends them (accept), only of clients that have"
        " enabled UTF8=ACCEPT (strict), or nobody is served that has not (only)",
    )
    append_disk_octets: int = Field(
        4 * 1024 * 1024 * 1024,
        description="long messages of APPEND together, on the local disk while they come",
        ge=1 << 20,
    )
    append_folder: str = Field(
        "", description="where (files without a name, gone with the process); empty: with temporary files"
    )
    staged_octets: int = Field(
        64 * 1024,
        description="bodies up to this size wait in the database when they are appended; 0: none (while processes of a"
        " version run that cannot read them there)",
        ge=0,
        le=64 * 1024,
    )
    pack_seconds: float = Field(
        3.0,
        description="how often short bodies that were appended are moved from the database to the object storage",
        gt=0,
        le=600,
    )
    keep_texts: Literal["on", "off"] = Field(
        "on", description="whether texts of bodies are put into PostgreSQL, beside the sessions, for searches"
    )
    read_documents: Literal["on", "off"] = Field(
        "on",
        description="whether these texts are also those of attached PDF, Office and OpenDocument files, read by a process"
        " of their own (5 s of processor time and 256 MiB each at most)",
    )
    body_cache_octets: int = Field(
        256 * 1024 * 1024, description="bodies kept on the local disk; 0: none", ge=0, le=1 << 40
    )
    body_cache_folder: str = Field(
        "", description="where (a file without a name, gone with the process); empty: with temporary files"
    )
    connections_a_user: int = Field(50, description="sessions of one account in one process", ge=1)
    unauthenticate: Literal["on", "off"] = Field(
        "on",
        description="whether clients may give a connection back for somebody else's login (RFC 8437); off where a proxy in"
        " front decides who speaks on a connection",
    )
    sieve_url: str = Field(
        "",
        description="sieve://host[:port] of the ManageSieve server, for scripts that run when users append, copy and flag"
        " messages (RFC 6785); empty: none do",
        pattern=r"^(sieve://[A-Za-z0-9.:\[\]-]+)?$",
    )
    connections_an_address: int = Field(
        1000,
        description="connections of one address (of IPv6: one /64) to one process; 0: any number. Those of the same machine"
        " are not counted",
        ge=0,
    )
    submission_logins: str = Field(
        "",
        description="addresses, separated by commas, of accounts that message submission servers log in with: they may"
        " use URLs that are for a submission (BURL, RFC 4468) on behalf of anybody of their tenant",
    )
    poll_seconds: float = Field(
        20.0,
        description="how often IDLE, and who gives one command after the other, look by themselves, should a notice have"
        " been lost",
        gt=0,
        le=600,
    )

    @model_validator(mode="after")
    def _one_limit(self) -> Self:
        if self.message_limit and self.save_limit:
            raise ValueError("message_limit holds for COPY and APPEND too: leave save_limit at 0")
        return self

    def submitters(self) -> frozenset[str]:
        """`submission_logins`, in lower case."""
        return _addresses(self.submission_logins)


@cache
def _addresses(words: str) -> frozenset[str]:
    return frozenset(each.strip().lower() for each in words.split(",")) - {""}
