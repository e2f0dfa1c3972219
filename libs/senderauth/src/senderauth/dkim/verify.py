"""Verifying DKIM signatures (RFC 6376 §6, RFC 8301, RFC 8463).

Two halves. `examine` reads, hashes and throws out what cannot verify: no questions, but work that grows with the
message, so a large one may be handed to a thread. `settle` fetches the keys, at most one question for each signature,
and verifies. `verify` is both.

A signature with l= covers only the beginning of the body. It can pass, but `unsigned_body_octets` says how much a
stranger could have added; `DkimResult.speaks_for_domain` is what DMARC should go by.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from mailmsg.header import Field

from senderauth.dkim.canonical import canonical_field
from senderauth.dkim.keys import KeyRefused, PublishedKey, parse_key
from senderauth.dkim.message import MessageView
from senderauth.dkim.signature import HistoricAlgorithm, Signature, parse_signature
from senderauth.dkim.tags import Malformed, parse_tags, required, without_signature
from senderauth.dns import NoAnswer, RecordType, Resolve, TempError
from senderauth.names import is_at_or_below, normal_name
from senderauth.result import Result

MAX_SIGNATURES = 10
"""Those below the first ten are not looked at (§6.1)."""

MAX_KEY_RECORDS = 4
"""TXT records at one key's name that are tried: there should be one (§3.6.2.2)."""


@dataclass(frozen=True, slots=True)
class DkimResult:
    """What one signature came to.

    `identity` is i=, or @ and the domain. `signature_start` is the beginning of b=, which tells several apart in an
    Authentication-Results field (RFC 6008). `key_bits` 0 where no key was seen.
    """

    result: Result
    reason: str = ""
    domain: str = ""
    selector: str = ""
    identity: str = ""
    algorithm: str = ""
    signature_start: str = ""
    key_bits: int = 0
    unsigned_body_octets: int = 0
    is_testing: bool = False

    @property
    def speaks_for_domain(self) -> bool:
        """A pass that covers the whole body."""
        return self.result is Result.PASS and self.unsigned_body_octets == 0


@dataclass(frozen=True, slots=True)
class Candidate:
    """A signature after `examine`. Without `signature` it is settled already, and `so_far` says how."""

    so_far: DkimResult
    signature: Signature | None = None
    digest: bytes = b""


async def verify(resolve: Resolve, message: bytes, *, now: datetime) -> tuple[DkimResult, ...]:
    """One result for each of the first `MAX_SIGNATURES` signatures, from the top; empty for an unsigned message."""
    return await settle(resolve, examine(message, now=now))


def examine(message: bytes | MessageView, *, now: datetime) -> tuple[Candidate, ...]:
    """Everything that needs no key. Linear in the message; the body is walked once for each canonical form."""
    view = MessageView(message) if isinstance(message, bytes) else message
    candidates = [_read(field, now) for field in view.named(b"dkim-signature")[:MAX_SIGNATURES]]
    wanted = {(each.signature.body_mode, each.signature.body_length) for each in candidates if each.signature}
    hashes = view.hash_bodies(wanted)
    examined = []
    for candidate in candidates:
        signature = candidate.signature
        if signature is None:
            examined.append(candidate)
            continue
        body = hashes[signature.body_mode, signature.body_length]
        so_far = candidate.so_far
        if signature.body_length is not None:
            if signature.body_length > body.body_octets:
                examined.append(_settled(so_far, Result.FAIL, "the body is shorter than l="))
                continue
            so_far = replace(so_far, unsigned_body_octets=body.body_octets - signature.body_length)
        if body.digest != signature.body_hash:
            examined.append(_settled(so_far, Result.FAIL, "the body is not the one that was signed"))
            continue
        examined.append(Candidate(so_far, signature, header_digest(view, signature)))
    return tuple(examined)


def header_digest(view: MessageView, signature: Signature) -> bytes:
    """What was signed: the named fields, then the signature's own without its value (§3.7)."""
    running = view.hash_fields(signature.header_names, signature.header_mode)
    field = signature.field
    own = without_signature(field.value)
    written_name = field.raw[: len(field.raw) - len(field.value) - 1]
    running.update(canonical_field(written_name, own, signature.header_mode))
    return running.digest()


def key_names(candidates: Iterable[Candidate]) -> list[str]:
    """The TXT questions that `settle` will ask, for who wants to ask them all at once before."""
    names = [each.signature.key_name for each in candidates if each.signature is not None]
    return list(dict.fromkeys(names))


async def settle(resolve: Resolve, candidates: Iterable[Candidate]) -> tuple[DkimResult, ...]:
    """Fetches the keys and verifies."""
    results = []
    keys: dict[str, PublishedKey | tuple[Result, str]] = {}
    for candidate in candidates:
        signature = candidate.signature
        if signature is None:
            results.append(candidate.so_far)
            continue
        name = signature.key_name
        if name not in keys:
            keys[name] = await fetch_key(resolve, name)
        results.append(_judge(candidate.so_far, signature, candidate.digest, keys[name]))
    return tuple(results)


async def fetch_key(resolve: Resolve, name: str) -> PublishedKey | tuple[Result, str]:
    """The key at this name, or why there is none."""
    answer = await resolve(name, RecordType.TXT)
    if isinstance(answer, TempError):
        return Result.TEMPERROR, "no answer for the key"
    if isinstance(answer, NoAnswer):
        return Result.PERMERROR, "no key at the selector"
    reason = ""
    for record in answer.records[:MAX_KEY_RECORDS]:
        try:
            return parse_key(record)
        except KeyRefused as refusal:
            reason = reason or str(refusal)
    return Result.PERMERROR, reason


def _judge(
    so_far: DkimResult, signature: Signature, digest: bytes, key: PublishedKey | tuple[Result, str]
) -> DkimResult:
    if not isinstance(key, PublishedKey):
        return replace(so_far, result=key[0], reason=key[1])
    so_far = replace(so_far, key_bits=key.bits, is_testing=key.is_testing)
    if key.is_strict and so_far.identity.rpartition("@")[2] != signature.domain:
        return replace(so_far, result=Result.PERMERROR, reason="the key is not for subdomains")
    if key.verifies(signature.algorithm, signature.signature, digest):
        return replace(so_far, result=Result.PASS, reason="")
    # §3.6.1, t=y: a failure must not be held against who is still trying it out.
    result = Result.NEUTRAL if key.is_testing else Result.FAIL
    return replace(so_far, result=result, reason="the signature does not verify")


def _settled(so_far: DkimResult, result: Result, reason: str) -> Candidate:
    return Candidate(replace(so_far, result=result, reason=reason))


def _read(field: Field, now: datetime) -> Candidate:
    text = field.value.decode("utf-8", "replace")
    so_far = DkimResult(Result.PERMERROR)
    try:
        tags = parse_tags(text)
        so_far = DkimResult(
            Result.PERMERROR,
            domain=normal_name(tags.get("d", ""))[:255],
            selector=normal_name(tags.get("s", ""))[:255],
            algorithm=tags.get("a", "")[:40],
            signature_start=tags.get("b", "")[:8],
        )
        if required(tags, "v") != "1":
            raise Malformed("an unknown version")
        signature = parse_signature(tags, field)
        identity = _identity(tags.get("i"), signature.domain)
    except Malformed as fault:
        return _settled(so_far, Result.PERMERROR, str(fault))
    except HistoricAlgorithm:
        return _settled(so_far, Result.FAIL, "rsa-sha1 proves nothing")
    so_far = replace(so_far, identity=identity)
    if signature.expires_at is not None and now.timestamp() > signature.expires_at:
        return _settled(so_far, Result.FAIL, "the signature has expired")
    return Candidate(so_far, signature)


def _identity(written: str | None, domain: str) -> str:
    if written is None:
        return "@" + domain
    local_part, at, identity_domain = written.rpartition("@")
    identity_domain = normal_name(identity_domain)
    if not at or not is_at_or_below(identity_domain, domain):
        raise Malformed("i= is not below d=")
    return f"{local_part}@{identity_domain}"[:320]
