"""JudgeService: scanning before a door accepts, for tenants that want it.

What is found is remembered for a while by the message's digest and its envelope: what is accepted then is not scanned
a second time when it comes to be filed by this process.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import grpc
from blobstore import BodyReference
from directoryclient import Unavailable
from mailmsg.facts import examine
from mailwire.judge.v1 import judge_pb2 as wire
from mailwire.judge.v1.judge_pb2_grpc import JudgeServiceServicer
from senderauth import Result
from servicekit import logs
from spool import Envelope, EnvelopeRecipient, Source, Speaker, SpooledLetter, new_queue_id

from mda import metrics
from mda.core.findings import Disposition
from mda.edge.screening import Screening

LOG = logs.logger("mda.judging")
Context = grpc.aio.ServicerContext[Any, Any]
ANSWERS = {
    Disposition.WAIT: wire.JUDGEMENT_RETRY,
    Disposition.UNREADABLE: wire.JUDGEMENT_RETRY,
}


class Judging(JudgeServiceServicer):
    """Answers doors. Without scanners everything is accepted."""

    def __init__(self, screening: Screening | None, scan_octets: int) -> None:
        self._screening = screening
        self._scan_octets = scan_octets

    async def Judge(self, requests: AsyncIterator[wire.JudgeRequest], context: Context) -> wire.JudgeResponse:
        if self._screening is None:
            return wire.JudgeResponse(judgement=wire.JUDGEMENT_ACCEPT)
        envelope: wire.JudgedEnvelope | None = None
        pieces: list[bytes] = []
        octets = 0
        async for request in requests:
            if request.HasField("envelope"):
                envelope = request.envelope
            else:
                octets += len(request.content)
                if octets > self._scan_octets:
                    # Filing says what becomes of what is too large to be scanned.
                    return wire.JudgeResponse(judgement=wire.JUDGEMENT_ACCEPT)
                pieces.append(request.content)
        if envelope is None:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "an envelope comes first")
            raise AssertionError
        content = b"".join(pieces)
        letter = await asyncio.to_thread(_letter, envelope, content)
        try:
            screened, why = await self._screening.judge(letter, content)
        except Unavailable:
            return wire.JudgeResponse(judgement=wire.JUDGEMENT_RETRY)
        metrics.JUDGED.labels(why or screened.value).inc()
        if why:
            LOG.info("message_refused_before", tenant_id=envelope.tenant_id, reason=why)
            return wire.JudgeResponse(judgement=wire.JUDGEMENT_REFUSE, reason=why)
        return wire.JudgeResponse(judgement=ANSWERS.get(screened, wire.JUDGEMENT_ACCEPT))


def _letter(asked: wire.JudgedEnvelope, content: bytes) -> SpooledLetter:
    """The message as it would come here if it were accepted."""
    digest = hashlib.sha256(content).digest()
    speaker = None
    if asked.HasField("spf_passed") or asked.HasField("dmarc_passed"):
        none = Result.NONE
        spf = Result.PASS if asked.spf_passed else none
        dmarc = Result.PASS if asked.dmarc_passed else none
        speaker = Speaker(spf, "", none, none, "", (), none, (), dmarc, "", "none")
    envelope = Envelope(
        queue_id=new_queue_id(),
        tenant_id=asked.tenant_id,
        reverse_path=asked.reverse_path,
        recipients=tuple(EnvelopeRecipient(each, each, "") for each in asked.recipients),
        arrived_at=datetime.now(UTC),
        digest=digest,
        size_octets=len(content),
        trace_prefix=b"",
        source=Source.SUBMISSION if asked.sender_account_id else Source.MX,
        helo=asked.helo,
        client_address=asked.client_address,
        sender_account_id=asked.sender_account_id,
        smtputf8=not asked.reverse_path.isascii(),
        eight_bit=True,
        speaker=speaker,
    )
    return SpooledLetter(envelope, BodyReference("", 0, len(content), digest), examine(content))
