"""Verifying a chain (RFC 8617 §5.2).

Two halves, as with DKIM: `examine` reads and hashes, `settle` fetches keys and verifies, from the newest set down, and
stops at the first failure. At most 100 questions, one for each key. Every failure is final, a silent DNS too (§5.2.1).

We are stricter in one thing: a message signature with l= breaks the chain.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from senderauth.arc.chain import Chain, read_chain, seal_digests
from senderauth.authres.model import AuthResults
from senderauth.dkim.keys import Algorithm, PublishedKey
from senderauth.dkim.message import MessageView
from senderauth.dkim.verify import fetch_key, header_digest
from senderauth.dns import Resolve
from senderauth.result import Result


@dataclass(frozen=True, slots=True)
class ArcResult:
    """NONE (no chain), PASS or FAIL.

    `oldest_pass`: the lowest instance whose message signature still verifies, 0 where all do (§5.2 step 5).
    `sealers`: the domains of the seals, from instance 1 on; empty unless the chain passes.
    """

    result: Result
    chain: Chain
    reason: str = ""
    oldest_pass: int = 0

    @property
    def sealers(self) -> tuple[str, ...]:
        if self.result is not Result.PASS:
            return ()
        return tuple(each.seal.domain for each in self.chain.sets)

    def trusted_results(self, trusted_domains: Collection[str]) -> AuthResults | None:
        """What the first of an unbroken line of trusted sealers, up to the newest, saw. None without any.

        A chain proves only who handled the message; whoever seals may lie in his results, so this is the only way to
        them that policy should use.
        """
        found = None
        if self.result is Result.PASS:
            for each in reversed(self.chain.sets):
                if each.seal.domain not in trusted_domains:
                    break
                found = each.results
        return found


@dataclass(frozen=True, slots=True)
class Examined:
    """A chain with its digests, by instance; None for a message signature that cannot verify."""

    chain: Chain
    message_digests: tuple[bytes | None, ...] = ()
    seal_digests: tuple[bytes, ...] = ()


async def verify(resolve: Resolve, message: bytes, *, now: datetime) -> ArcResult:
    """The chain's validation status."""
    return await settle(resolve, examine(message, now=now))


def examine(message: bytes | MessageView, *, now: datetime) -> Examined:
    """Everything that needs no key. Linear; the body is walked at most twice."""
    view = MessageView(message) if isinstance(message, bytes) else message
    chain = read_chain(view)
    if not chain.sets:
        return Examined(chain)
    signatures = [each.message_signature for each in chain.sets]
    bodies = view.hash_bodies({(each.body_mode, None) for each in signatures})
    digests: list[bytes | None] = []
    for signature in signatures:
        is_current = signature.expires_at is None or now.timestamp() <= signature.expires_at
        is_same_body = bodies[signature.body_mode, None].digest == signature.body_hash
        digests.append(header_digest(view, signature) if is_current and is_same_body else None)
    return Examined(chain, tuple(digests), tuple(seal_digests(chain.sets)))


async def settle(resolve: Resolve, examined: Examined) -> ArcResult:
    """Fetches the keys and verifies."""
    chain = examined.chain
    if chain.highest == 0:
        return ArcResult(Result.NONE, chain)
    if chain.fault:
        return ArcResult(Result.FAIL, chain, chain.fault)
    keys = _Keys(resolve)
    newest = chain.sets[-1].message_signature
    reason = await keys.fault(
        newest.key_name, newest.algorithm, newest.signature, examined.message_digests[-1]
    )
    if reason:
        return ArcResult(Result.FAIL, chain, f"message signature {chain.highest}: {reason}")
    for each, digest in zip(reversed(chain.sets), reversed(examined.seal_digests), strict=True):
        seal = each.seal
        reason = await keys.fault(seal.key_name, seal.algorithm, seal.signature, digest)
        if reason:
            return ArcResult(Result.FAIL, chain, f"seal {each.instance}: {reason}")
    oldest_pass = 0
    for older in reversed(chain.sets[:-1]):
        signature = older.message_signature
        message_digest = examined.message_digests[older.instance - 1]
        if await keys.fault(signature.key_name, signature.algorithm, signature.signature, message_digest):
            oldest_pass = older.instance + 1
            break
    return ArcResult(Result.PASS, chain, oldest_pass=oldest_pass)


class _Keys:
    """Fetches each key once."""

    def __init__(self, resolve: Resolve) -> None:
        self._resolve = resolve
        self._found: dict[str, PublishedKey | tuple[Result, str]] = {}

    async def fault(self, name: str, algorithm: Algorithm, signature: bytes, digest: bytes | None) -> str:
        """Why it does not verify; empty where it does."""
        if digest is None:
            return "the message is not the one that was signed"
        if name not in self._found:
            self._found[name] = await fetch_key(self._resolve, name)
        key = self._found[name]
        if not isinstance(key, PublishedKey):
            return key[1]
        return "" if key.verifies(algorithm, signature, digest) else "it does not verify"
