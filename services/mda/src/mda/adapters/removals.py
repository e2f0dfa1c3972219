"""Asking the directory whose mail is to be removed."""

import grpc
from directoryclient import Unavailable
from mailmodel import AccountRef
from mailwire.directory.v1 import identity_pb2 as wire
from mailwire.directory.v1.identity_pb2_grpc import DirectoryRemovalServiceStub

ANSWER_SECONDS = 10.0
AT_ONCE = 100


class DirectoryRemovals:
    """Satisfies ports.Removals."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = DirectoryRemovalServiceStub(channel)

    async def due(self) -> list[AccountRef]:
        """Some of them. Raises directoryclient.Unavailable."""
        try:
            answer = await self._stub.ListRemovedAccounts(
                wire.ListRemovedAccountsRequest(page_size=AT_ONCE), timeout=ANSWER_SECONDS
            )
        except grpc.aio.AioRpcError as error:
            raise Unavailable(f"the directory does not answer: {error.code().name}") from error
        return [AccountRef(each.tenant_id, each.account_id) for each in answer.accounts]

    async def settle(self, account: AccountRef) -> None:
        """Its mail is gone. Raises directoryclient.Unavailable."""
        try:
            await self._stub.SettleRemovedAccounts(
                wire.SettleRemovedAccountsRequest(account_ids=[account.account_id]), timeout=ANSWER_SECONDS
            )
        except grpc.aio.AioRpcError as error:
            raise Unavailable(f"the directory does not answer: {error.code().name}") from error
