"""Asking the mda's scanners about a message that is not accepted yet."""

from collections.abc import AsyncIterator

import grpc
from mailwire.judge.v1 import judge_pb2 as wire
from mailwire.judge.v1.judge_pb2_grpc import JudgeServiceStub
from senderauth import Result
from spool import Speaker

from smtp_gateway.ports import Asked, Judgement, JudgeUnavailable

PIECE_OCTETS = 256 * 1024
JUDGEMENTS = {
    wire.JUDGEMENT_ACCEPT: Judgement.ACCEPT,
    wire.JUDGEMENT_REFUSE: Judgement.REFUSE,
    wire.JUDGEMENT_RETRY: Judgement.RETRY,
}


class MdaJudge:
    """Satisfies ports.Judge."""

    def __init__(self, channel: grpc.aio.Channel, answer_seconds: float) -> None:
        self._stub = JudgeServiceStub(channel)
        self._answer_seconds = answer_seconds

    async def judge(self, asked: Asked, content: bytes) -> Judgement:
        """Raises JudgeUnavailable."""
        try:
            answer = await self._stub.Judge(_parts(asked, content), timeout=self._answer_seconds)
        except grpc.aio.AioRpcError as error:
            raise JudgeUnavailable(f"no scanner answers: {error.code().name}") from error
        if answer.judgement == wire.JUDGEMENT_REFUSE and answer.reason == "virus":
            return Judgement.INFECTED
        return JUDGEMENTS.get(answer.judgement, Judgement.RETRY)


async def _parts(asked: Asked, content: bytes) -> AsyncIterator[wire.JudgeRequest]:
    envelope = wire.JudgedEnvelope(
        tenant_id=asked.tenant_id,
        reverse_path=asked.reverse_path,
        recipients=asked.recipients,
        client_address=asked.client_address,
        helo=asked.helo,
        sender_account_id=asked.sender_account_id,
    )
    _say_who(envelope, asked.speaker)
    yield wire.JudgeRequest(envelope=envelope)
    for start in range(0, len(content), PIECE_OCTETS):
        yield wire.JudgeRequest(content=content[start : start + PIECE_OCTETS])


def _say_who(envelope: wire.JudgedEnvelope, speaker: Speaker | None) -> None:
    if speaker is not None:
        envelope.spf_passed = speaker.spf is Result.PASS
        envelope.dmarc_passed = speaker.dmarc is Result.PASS
