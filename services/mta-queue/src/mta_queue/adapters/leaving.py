"""What we do to a message in our own name as it leaves.

Forwarded mail (an alias that leads out, a redirect by a script): its reverse-path becomes one of ours, so that SPF holds at
the next host and a bounce finds its way back (SRS); and what our door found out about it is sealed (ARC, RFC 8617 §5.1),
so that the next host may believe it although the forwarding broke SPF. Both in the domain that the mail was for.

What we write ourselves (notices, answers of scripts) is signed (DKIM) by the domain of its From, where that has keys.
A redirected message is never signed so: it may be anybody's who claims to be of that domain.

Where each recipient gets a copy of its own (`spool.OwnCopies`) its reverse-path and its fields are put in here, and signed
by the domain that the envelope names: RFC 8058 §4 wants the fields for leaving a list signed.

Nothing here keeps a message back: without keys, or where they cannot be had, it leaves as it is.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from directoryclient import DirectoryClient, Unavailable
from directoryclient.signing import SigningKeys
from mailmsg.header import fields, header_end
from senderauth import Result, arc, authres, dkim, dmarc
from senderauth.arc.verify import ArcResult
from senderauth.authres.model import AuthResults
from senderauth.dkim import Algorithm, SigningKey
from senderauth.dmarc import AuthorFault
from senderauth.names import normal_name
from senderauth.srs import Srs, SrsFault
from servicekit import logs
from spool import Envelope, Source, SpooledLetter

from mta_queue import metrics

LOG = logs.logger("mta_queue.leaving")
THREAD_OCTETS = 256 * 1024
# Of what may be put in front, for SIZE.
ADDED_OCTETS = 8 * 1024
LIFETIME_SECONDS = 14 * 86_400
REDIRECTED = b"Delivered-To: "


@dataclass(frozen=True, slots=True)
class Departure:
    """How it leaves. `seal_domain` is "" and `signs` False for what leaves as it is.

    `fields` stand behind the trace fields of this copy; `signing_domain` signs it, where it is one of several.
    """

    reverse_path: str
    seal_domain: str = ""
    signs: bool = False
    fields: bytes = b""
    signing_domain: str = ""

    @property
    def is_marked(self) -> bool:
        """Whether there is anything to be put in front."""
        return bool(self.seal_domain or self.signs or self.signing_domain)

    @property
    def added_octets(self) -> int:
        """At most, in front of the message."""
        return len(self.fields) + (ADDED_OCTETS if self.is_marked else 0)


def as_it_is(envelope: Envelope, recipients: tuple[str, ...]) -> Departure:
    """Without anything in our name; a copy of its own, where these recipients get one (then it is one recipient)."""
    own = envelope.own_copies
    if own is not None and len(recipients) == 1:
        for each in envelope.recipients:
            if each.address == recipients[0] and each.token:
                return Departure(
                    own.reverse_path_of(each),
                    fields=own.fields_of(each),
                    signing_domain=own.signing_domain,
                )
    return Departure(envelope.reverse_path)


class Leaving:
    """Of one process. Without secrets there is no SRS."""

    def __init__(
        self,
        directory: DirectoryClient,
        keys: SigningKeys,
        srs_secrets: tuple[bytes, ...],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._directory = directory
        self._keys = keys
        self._secrets = srs_secrets
        self._clock = clock

    def departure(self, envelope: Envelope, recipients: tuple[str, ...]) -> Departure:
        """Of these recipients' mail."""
        plain = as_it_is(envelope, recipients)
        ours = forwarding_domain(envelope, recipients)
        if ours:
            return replace(plain, reverse_path=self._rewritten(plain.reverse_path, ours), seal_domain=ours)
        is_own = envelope.source is Source.DSN or envelope.source is Source.SIEVE
        is_signed = b"DKIM-Signature:" in envelope.trace_prefix
        signs = is_own and not is_signed and not plain.signing_domain
        return replace(plain, signs=True) if signs else plain

    def _rewritten(self, reverse_path: str, domain: str) -> str:
        if not self._secrets or not reverse_path:
            return reverse_path
        rewritten = Srs(domain, self._secrets).rewrite(reverse_path, now=self._clock())
        if isinstance(rewritten, SrsFault):
            # Too long for a local part: SPF may fail at the next host, but it arrives there.
            metrics.FORWARDED.labels("not_rewritten").inc()
            return reverse_path
        return rewritten

    async def prefix(self, letter: SpooledLetter, departure: Departure, message: bytes) -> bytes:
        """What to put in front of the message as it leaves, trace fields and all."""
        made = b""
        try:
            if departure.signing_domain:
                made = await self._signed_by(letter.envelope.tenant_id, departure.signing_domain, message)
            if departure.seal_domain:
                return await self._seal(letter, departure.seal_domain, made + message) + made
            if departure.signs:
                return await self._sign(letter, message)
        except Unavailable as error:
            LOG.warning("keys_unavailable", queue_id=letter.envelope.queue_id, error=str(error))
        return made

    async def _seal(self, letter: SpooledLetter, domain: str, message: bytes) -> bytes:
        found = _door_results(letter.envelope.trace_prefix)
        if found is None:
            metrics.FORWARDED.labels("unsealed").inc()
            return b""
        keys = await self._keys.of(letter.envelope.tenant_id, domain)
        key = _preferred(keys)
        if key is None:
            metrics.FORWARDED.labels("unsealed").inc()
            return b""
        sealed = await _near_or_far(message, lambda: _sealed(message, found, key, self._clock()))
        metrics.FORWARDED.labels("sealed" if sealed else "unsealed").inc()
        return sealed

    async def _sign(self, letter: SpooledLetter, message: bytes) -> bytes:
        author = dmarc.author_domain(message[: header_end(message) or len(message)])
        if isinstance(author, AuthorFault):
            return b""
        [owner] = await self._directory.resolve([f"postmaster@{author}"])
        envelope = letter.envelope
        # A notice is ours, whoever it concerns; a script speaks for its own tenant only.
        if not owner.tenant_id or (envelope.source is Source.SIEVE and owner.tenant_id != envelope.tenant_id):
            return b""
        return await self._signed_by(owner.tenant_id, author, message)

    async def _signed_by(self, tenant_id: str, domain: str, message: bytes) -> bytes:
        keys = await self._keys.of(tenant_id, domain)
        if not keys:
            return b""
        now = self._clock()
        return await _near_or_far(
            message, lambda: dkim.sign(message, keys, now=now, lifetime_seconds=LIFETIME_SECONDS)
        )


def forwarding_domain(envelope: Envelope, recipients: tuple[str, ...]) -> str:
    """The domain of ours that forwards this mail; "" where it is not forwarded."""
    if envelope.source is Source.MX:
        wanted = set(recipients)
        for each in envelope.recipients:
            if each.address in wanted:
                return normal_name(each.original_address.rpartition("@")[2])
    if envelope.source is Source.SIEVE and envelope.trace_prefix.startswith(REDIRECTED):
        owner = envelope.trace_prefix[len(REDIRECTED) :].partition(b"\r\n")[0].decode("utf-8", "replace")
        return normal_name(owner.strip().rpartition("@")[2])
    return ""


def _door_results(trace_prefix: bytes) -> AuthResults | None:
    """What our door wrote down: in the trace fields no stranger's word stands."""
    for each in fields(trace_prefix):
        if each.name.lower() == b"authentication-results":
            return authres.parse(each.value)
    return None


def _preferred(keys: tuple[SigningKey, ...]) -> SigningKey | None:
    """A seal has one signature: RSA is what everybody verifies."""
    rsa = [key for key in keys if key.algorithm is Algorithm.RSA_SHA256]
    return next(iter([*rsa, *keys]), None)


def _sealed(message: bytes, found: AuthResults, key: SigningKey, now: datetime) -> bytes:
    chain = arc.examine(message, now=now).chain
    said = next((each.result for each in found.results if each.method == "arc"), "none")
    result = Result(said) if said in ("none", "pass", "fail") else Result.FAIL
    if (result is Result.NONE) != (chain.highest == 0) or (result is Result.PASS and chain.fault):
        # Not what the door saw: something was changed since (a script's edition).
        result = Result.FAIL
    return arc.seal(message, ArcResult(result, chain), found.authserv_id, found.results, key, now=now)


async def _near_or_far(message: bytes, work: Callable[[], bytes]) -> bytes:
    """Large messages are hashed in a thread."""
    return await asyncio.to_thread(work) if len(message) >= THREAD_OCTETS else work()
