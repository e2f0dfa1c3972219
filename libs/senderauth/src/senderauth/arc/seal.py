"""Sealing: adding our set to the chain (RFC 8617 §5.1)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime

from mailmsg.header import Field, fields

from senderauth.arc.chain import AAR, AMS, MAX_SETS, SEAL, seal_hash
from senderauth.arc.verify import ArcResult
from senderauth.authres.model import MethodResult
from senderauth.authres.write import payload
from senderauth.dkim.canonical import Mode, canonical_field
from senderauth.dkim.message import MessageView
from senderauth.dkim.sign import SigningKey, finish_field, fold_tags, names_to_sign, sign_field
from senderauth.result import Result


def seal(
    message: bytes,
    arrived: ArcResult,
    authserv_id: str,
    results: Iterable[MethodResult],
    key: SigningKey,
    *,
    now: datetime,
) -> bytes:
    """The three fields to put in front of the message as it leaves us, DKIM signatures and all changes made.

    `arrived` is the verdict on the chain as it came in, `results` all that we checked then, among them `arc`. Empty
    where the chain is full, or was given up by an earlier handler (§5.1 step 2).
    """
    chain = arrived.chain
    instance = chain.highest + 1
    if instance > MAX_SETS or chain.is_given_up:
        return b""
    status = arrived.result.value if arrived.result in (Result.NONE, Result.PASS) else "fail"
    own_results = AAR + f": i={instance}; ".encode("ascii") + payload(authserv_id, results) + b"\r\n"

    view = MessageView(message)
    names = [*names_to_sign(view), *[b"dkim-signature"] * view.count(b"dkim-signature")]
    body = view.hash_bodies({(Mode.RELAXED, None)})[Mode.RELAXED, None]
    place = [f"d={key.domain}", f"s={key.selector}", f"t={int(now.timestamp())}"]
    signature_tags = [f"i={instance}", f"a={key.algorithm.value}", "c=relaxed/relaxed", *place]
    own_signature = sign_field(AMS, signature_tags, names, body.digest, view, key)

    running = hashlib.sha256()
    if arrived.result is Result.PASS:
        for each in chain.sets:
            seal_hash(running, each.results_field, each.message_signature.field, each.seal.field)
            running.update(
                canonical_field(each.seal.field.name, each.seal.field.value, Mode.RELAXED) + b"\r\n"
            )
    unsigned = fold_tags(SEAL, [f"i={instance}", f"a={key.algorithm.value}", f"cv={status}", *place, "b="])
    digest = seal_hash(
        running, _field(own_results), _field(own_signature), Field(SEAL, unsigned, b"")
    ).digest()
    return finish_field(SEAL, unsigned, key.sign_digest(digest)) + own_signature + own_results


def _field(raw: bytes) -> Field:
    return next(fields(raw))
