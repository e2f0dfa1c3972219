"""Asking the directory who is a member of a mailing list (EXPN)."""

import grpc
from directoryclient import Unavailable
from mailwire.directory.v1 import membership_pb2 as wire
from mailwire.directory.v1.membership_pb2_grpc import DirectoryMembershipServiceStub

from smtp_gateway.ports import Members

ANSWER_SECONDS = 10.0


class DirectoryExpansions:
    """Satisfies ports.Expansions."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = DirectoryMembershipServiceStub(channel)

    async def members(self, address: str, account_id: str) -> Members | None:
        request = wire.ExpandListRequest(address=address, account_id=account_id)
        try:
            answer = await self._stub.ExpandList(request, timeout=ANSWER_SECONDS)
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.UNIMPLEMENTED:
                # A directory from before there was this question.
                return None
            raise Unavailable(f"the directory does not answer: {error.code().name}") from error
        if not answer.is_list:
            return None
        return Members(answer.allowed, answer.members, tuple(answer.addresses))
