"""The certificates that listeners show: chosen by the name that the client asks for, re-read when their files change.

A listener's context has a callback that looks here at each handshake, so that neither a new certificate nor another name
needs a restart. Files are looked at every few seconds; a pair that cannot be used (a key that is not the
certificate's, half a file) is logged and what was there before stays.

The certificate for a name is one of the folder whose subject alternative names have it, exactly or by a wildcard for one
label (RFC 6125 §6.4.3); for no name, or one that nobody has, it is the default pair.

Whose certificates clients may show, and which of them were taken back, is read again in the same way. Where lists of
those are wanted nothing is believed without a list that holds: no list, or an old one, is a refusal.
"""

import asyncio
import hashlib
import ssl
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtensionOID

from servicekit import logs
from servicekit.settings import TlsSettings
from servicekit.tls import END_POINTS, REVOKED, Revoked, server_context

LOG = logs.logger("servicekit.certificates")
LOOK_SECONDS = 5.0
# Of a folder; more are left out, and logged.
PAIRS_MOST = 10_000
UNUSABLE = (OSError, ssl.SSLError, ValueError)
VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
Stamp = tuple[int, int, int]


def _stamp_of(path: Path) -> Stamp:
    found = path.stat()
    return found.st_mtime_ns, found.st_size, found.st_ino


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate with its chain, and its key; they may be one file."""

    certificate: Path
    key: Path

    def stamp(self) -> tuple[Stamp, ...]:
        """Changes when a file does. Raises OSError."""
        return tuple(_stamp_of(path) for path in (self.certificate, self.key))


@dataclass(frozen=True, slots=True)
class Shown:
    """A pair as it was read: the context that shows it, and whom it is for."""

    stamp: tuple[Stamp, ...]
    context: ssl.SSLContext
    # The same for a listener that asks clients for a certificate; what other hosts show is not looked at on port 25.
    asking: ssl.SSLContext
    names: frozenset[str]


class Certificates:
    """Of one process. Raises OSError, ssl.SSLError or ValueError where the default pair cannot be used at first."""

    def __init__(
        self,
        default: Pair,
        folder: Path | None = None,
        client_authorities: Path | None = None,
        client_revocations: Path | None = None,
    ) -> None:
        self._pair = default
        self._client_authorities = client_authorities
        self._client_revocations = client_revocations
        self._folder = folder
        self._default = self._read(default)
        self._shown: dict[Path, Shown] = {}
        self._by_name: dict[str, Shown] = {}
        self._refused: dict[Path, tuple[Stamp, ...] | None] = {}
        self.look()

    @classmethod
    def of(cls, settings: TlsSettings) -> "Certificates | None":
        """None where no certificate is set."""
        if settings.tls_certificate_file is None or settings.tls_key_file is None:
            return None
        return cls(
            Pair(settings.tls_certificate_file, settings.tls_key_file),
            settings.tls_certificates_folder,
            settings.tls_client_authorities_file,
            settings.tls_client_revocations_file,
        )

    def context(self, minimum: str = "1.2") -> ssl.SSLContext:
        """For a listener: shows whatever is right at the moment of a handshake. `minimum`: 1.2 or 1.3."""
        context = server_context(self._pair.certificate, self._pair.key)
        context.minimum_version = VERSIONS[minimum]
        context.sni_callback = self._choose
        return context

    def users_context(self, minimum: str = "1.2") -> ssl.SSLContext:
        """The same for a listener of users' programs: they may show certificates, where authorities are set."""
        context = self._asking_context(self._pair)
        context.minimum_version = VERSIONS[minimum]
        context.sni_callback = self._choose_asking
        return context

    def for_name(self, name: str | None) -> Shown:
        """What is shown to a client that asks for this name."""
        if name is None:
            return self._default
        wanted = name.rstrip(".").lower()
        exact = self._by_name.get(wanted)
        if exact is not None:
            return exact
        return self._by_name.get("*." + wanted.partition(".")[2], self._default)

    def _choose(self, connection: ssl.SSLObject, name: str | None, _initial: ssl.SSLContext) -> None:
        connection.context = self.for_name(name).context

    def _choose_asking(self, connection: ssl.SSLObject, name: str | None, _initial: ssl.SSLContext) -> None:
        connection.context = self.for_name(name).asking

    def look(self) -> None:
        """Read what has changed."""
        self._default = self._again(self._pair, self._default)
        if self._folder is None:
            return
        found = {}
        pairs = list(_pairs(self._folder))
        for pair in pairs:
            if (shown := self._again(pair, self._shown.get(pair.certificate))) is not None:
                found[pair.certificate] = shown
        self._shown = found
        there = {pair.certificate for pair in (self._pair, *pairs)}
        self._refused = {path: stamp for path, stamp in self._refused.items() if path in there}
        self._by_name = {name: shown for shown in found.values() for name in shown.names}

    @overload
    def _again(self, pair: Pair, before: Shown) -> Shown: ...

    @overload
    def _again(self, pair: Pair, before: Shown | None) -> Shown | None: ...

    def _again(self, pair: Pair, before: Shown | None) -> Shown | None:
        stamp: tuple[Stamp, ...] | None = None
        try:
            stamp = self._stamp(pair)
            if before is not None and before.stamp == stamp:
                return before
            if pair.certificate in self._refused and self._refused[pair.certificate] == stamp:
                return before
            shown = self._read(pair)
        except UNUSABLE as error:
            if self._refused.get(pair.certificate, ()) != stamp:
                LOG.error("certificate_refused", file=str(pair.certificate), error=str(error))
            self._refused[pair.certificate] = stamp
            return before
        self._refused.pop(pair.certificate, None)
        LOG.info("certificate_read", file=str(pair.certificate), names=sorted(shown.names)[:20])
        return shown

    def _read(self, pair: Pair) -> Shown:
        """Raises OSError, ssl.SSLError, ValueError."""
        stamp = self._stamp(pair)
        context, asking = server_context(pair.certificate, pair.key), self._asking_context(pair)
        certificate = x509.load_pem_x509_certificates(pair.certificate.read_bytes())[0]
        END_POINTS[context] = END_POINTS[asking] = _end_point(certificate)
        return Shown(stamp, context, asking, _names(certificate))

    def _asking_context(self, pair: Pair) -> ssl.SSLContext:
        """Each context knows whom to believe: OpenSSL asks the one that was chosen for the name."""
        context = server_context(pair.certificate, pair.key)
        if self._client_authorities is not None:
            context.load_verify_locations(self._client_authorities)
            context.verify_mode = ssl.CERT_OPTIONAL
            if self._client_revocations is not None:
                REVOKED[context] = Revoked.read(
                    self._client_revocations.read_bytes(), self._client_authorities.read_bytes()
                )
                context.load_verify_locations(self._client_revocations)
                # The authorities between the root and the client's certificate too.
                context.verify_flags |= ssl.VerifyFlags.VERIFY_CRL_CHECK_CHAIN
        return context

    def _stamp(self, pair: Pair) -> tuple[Stamp, ...]:
        """Of a pair, and of what says whom to believe. Raises OSError."""
        files = (each for each in (self._client_authorities, self._client_revocations) if each is not None)
        return (*pair.stamp(), *map(_stamp_of, files))

    async def watch(self, draining: asyncio.Event) -> None:
        """Look again and again, until the drain."""
        while not draining.is_set():
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    await draining.wait()
            except TimeoutError:
                self.look()


def _pairs(folder: Path) -> Iterator[Pair]:
    """NAME.crt with NAME.key, and NAME.pem that holds both; names of files mean nothing else."""
    try:
        files: Sequence[Path] = sorted(folder.iterdir())
    except OSError as error:
        LOG.error("certificates_unreadable", folder=str(folder), error=str(error))
        return
    taken = 0
    for path in files:
        if path.suffix not in (".crt", ".pem"):
            continue
        if taken == PAIRS_MOST:
            LOG.error("certificates_too_many", folder=str(folder), most=PAIRS_MOST)
            return
        taken += 1
        yield Pair(path, path.with_suffix(".key") if path.suffix == ".crt" else path)


def _names(certificate: x509.Certificate) -> frozenset[str]:
    try:
        extension = certificate.extensions.get_extension_for_oid(ExtensionOID.SUBJECT_ALTERNATIVE_NAME)
    except x509.ExtensionNotFound:
        return frozenset()
    assert isinstance(extension.value, x509.SubjectAlternativeName)
    return frozenset(name.rstrip(".").lower() for name in extension.value.get_values_for_type(x509.DNSName))


def _end_point(certificate: x509.Certificate) -> bytes:
    """By the hash of the certificate's signature, but SHA-256 in place of MD5 and SHA-1 (RFC 5929 §4.1)."""
    algorithm = certificate.signature_hash_algorithm
    name = "sha256" if algorithm is None or algorithm.name in ("md5", "sha1") else algorithm.name
    return hashlib.new(name, certificate.public_bytes(Encoding.DER)).digest()
