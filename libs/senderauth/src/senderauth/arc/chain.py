"""The chain as it stands in a header: sets of three fields, numbered (RFC 8617 §4.2, §5.2 steps 1 to 3)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

from mailmsg.header import Field

from senderauth.authres.model import AuthResults
from senderauth.authres.read import parse, without_comments
from senderauth.dkim.canonical import Mode, canonical_field
from senderauth.dkim.keys import Algorithm
from senderauth.dkim.message import Hash, MessageView
from senderauth.dkim.signature import (
    HistoricAlgorithm,
    Signature,
    parse_algorithm,
    parse_key_place,
    parse_signature,
)
from senderauth.dkim.tags import Malformed, decode_base64, parse_tags, required, without_signature

MAX_SETS = 50
MAX_HEAD_OCTETS = 1024
"""Of an ARC-Authentication-Results field, where its instance must stand."""

AAR = b"ARC-Authentication-Results"
AMS = b"ARC-Message-Signature"
SEAL = b"ARC-Seal"

T = TypeVar("T")

_INSTANCE = re.compile(r"\s*i\s*=\s*([0-9]{1,2})\s*;")


@dataclass(frozen=True, slots=True)
class Seal:
    """An ARC-Seal in parts. `status` is cv=."""

    field: Field
    algorithm: Algorithm
    domain: str
    selector: str
    status: str
    signature: bytes

    @property
    def key_name(self) -> str:
        """Where DNS has the key."""
        return f"{self.selector}._domainkey.{self.domain}"


@dataclass(frozen=True, slots=True)
class ArcSet:
    """What one handler added."""

    instance: int
    results_field: Field
    message_signature: Signature
    seal: Seal

    @property
    def results(self) -> AuthResults | None:
        """What it says it saw. Worth something only where the chain passes and its sealer is trusted."""
        return parse(self.results_field.value.partition(b";")[2])


@dataclass(frozen=True, slots=True)
class Chain:
    """All sets, from instance 1 on.

    `fault` says why the chain is broken already, and then `sets` is empty. `highest` is the greatest instance seen
    anywhere, `is_given_up` whether the last seal says cv=fail.
    """

    sets: tuple[ArcSet, ...] = ()
    highest: int = 0
    is_given_up: bool = False
    fault: str = ""


def read_chain(view: MessageView) -> Chain:
    """Never raises; linear."""
    by_name = {name: view.named(name.lower()) for name in (AAR, AMS, SEAL)}
    if not any(by_name.values()):
        return Chain()
    if any(len(found) > MAX_SETS for found in by_name.values()):
        return Chain(highest=MAX_SETS, fault="too many sets")
    try:
        results = _numbered((_results_instance(field), field) for field in by_name[AAR])
        signatures = _numbered(_with_tags(by_name[AMS]))
        seals = _numbered(_with_tags(by_name[SEAL]))
    except Malformed as fault:
        return Chain(highest=_highest(by_name), fault=str(fault))
    highest = max([*results, *signatures, *seals])
    is_given_up = highest in seals and seals[highest][1].get("cv", "") == "fail"
    if is_given_up:
        return Chain(highest=highest, is_given_up=True, fault="an earlier handler found it broken")
    wanted = list(range(1, highest + 1))
    if not all(sorted(numbers) == wanted for numbers in (results, signatures, seals)):
        return Chain(highest=highest, fault="a set is not whole")
    sets = []
    for instance in wanted:
        try:
            field, tags = signatures[instance]
            message_signature = _message_signature(field, tags)
            sets.append(ArcSet(instance, results[instance], message_signature, _seal(*seals[instance])))
        except Malformed as fault:
            return Chain(highest=highest, fault=f"set {instance}: {fault}")
        except HistoricAlgorithm:
            return Chain(highest=highest, fault=f"set {instance}: rsa-sha1 proves nothing")
        if sets[-1].seal.status != ("none" if instance == 1 else "pass"):
            return Chain(highest=highest, fault=f"set {instance}: cv={sets[-1].seal.status[:10]!a}")
    return Chain(tuple(sets), highest)


def seal_digests(sets: Iterable[ArcSet]) -> list[bytes]:
    """What each seal signed: all sets up to its own (§5.1.1). One walk, however many."""
    running = hashlib.sha256()
    digests = []
    for each in sets:
        digests.append(
            seal_hash(running, each.results_field, each.message_signature.field, each.seal.field).digest()
        )
        running.update(_canonical(each.seal.field) + b"\r\n")
    return digests


def seal_hash(running: Hash, results: Field, message_signature: Field, seal: Field) -> Hash:
    """Takes the two fields of a set into `running`, and gives a copy that has its seal without b= too."""
    running.update(_canonical(results) + b"\r\n" + _canonical(message_signature) + b"\r\n")
    own = running.copy()
    own.update(canonical_field(seal.name, without_signature(seal.value), Mode.RELAXED))
    return own


def _canonical(field: Field) -> bytes:
    return canonical_field(field.name, field.value, Mode.RELAXED)


def _numbered(entries: Iterable[tuple[int, T]]) -> dict[int, T]:
    found: dict[int, T] = {}
    for instance, entry in entries:
        if instance in found:
            raise Malformed(f"instance {instance} stands twice")
        found[instance] = entry
    return found


def _with_tags(fields: Iterable[Field]) -> Iterable[tuple[int, tuple[Field, dict[str, str]]]]:
    for field in fields:
        tags = parse_tags(field.value.decode("utf-8", "replace"))
        yield _instance(required(tags, "i")), (field, tags)


def _results_instance(field: Field) -> int:
    head = without_comments(field.value[:MAX_HEAD_OCTETS].decode("utf-8", "replace"))
    found = _INSTANCE.match(head)
    if found is None:
        raise Malformed("results without an instance")
    return _instance(found[1])


def _instance(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 2 or not 1 <= int(text) <= MAX_SETS:
        raise Malformed(f"an instance of {text[:10]!a}")
    return int(text)


def _highest(by_name: dict[bytes, list[Field]]) -> int:
    """Of what can be read of a chain that cannot."""
    highest = 1
    for fields in by_name.values():
        for field in fields:
            found = re.search(rb"(?:\A|;)\s*i\s*=\s*([0-9]{1,2})\s*;", field.value[:MAX_HEAD_OCTETS])
            highest = max(highest, int(found[1]) if found else 1)
    return min(highest, MAX_SETS)


def _message_signature(field: Field, tags: dict[str, str]) -> Signature:
    signature = parse_signature(tags, field)
    if b"arc-seal" in signature.header_names:
        raise Malformed("the message signature covers seals")
    if signature.body_length is not None:
        raise Malformed("the message signature has l=")
    return signature


def _seal(field: Field, tags: dict[str, str]) -> Seal:
    if "h" in tags or "bh" in tags:
        raise Malformed("the seal has h=")
    domain, selector = parse_key_place(tags)
    return Seal(
        field,
        parse_algorithm(required(tags, "a")),
        domain,
        selector,
        required(tags, "cv").lower(),
        decode_base64(required(tags, "b")),
    )
