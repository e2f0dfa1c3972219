"""Limits of logins that are lifted: who forgets what it remembers."""

from typing import Any, cast

import pytest
from directory.edge.access import Access
from directory.edge.answers import ONLY_TENANT
from directory.ports import Change
from mailwire.directory.v1 import access_pb2 as wire

TENANT, ALICE = "6f9619ff-8b86-4011-b42d-00cf4fc964ff", "7f9619ff-8b86-4011-b42d-00cf4fc964ff"


class Limits:
    def __init__(self, lifted: int) -> None:
        self._lifted = lifted

    async def lift(self, account_id: str | None, prefix: str) -> int:
        return self._lifted


class Accounts:
    async def get_by_id(self, account_id: str) -> Any:
        return cast(Any, Account())


class Account:
    tenant_id, account_id = TENANT, ALICE


class Context:
    def __init__(self, tenant_id: str = "") -> None:
        self._metadata = ((ONLY_TENANT, tenant_id),) if tenant_id else ()

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        return self._metadata


@pytest.mark.parametrize(
    ("within", "account", "lifted", "told"),
    [
        # The operator, of an address: each door may have had somebody wait.
        ("", "", 2, [Change("")]),
        # A tenant cannot have all others forget all that they know.
        (TENANT, "", 2, [Change(TENANT)]),
        ("", ALICE, 1, [Change(TENANT, ALICE)]),
        (TENANT, ALICE, 1, [Change(TENANT, ALICE)]),
        ("", "", 0, []),
        (TENANT, ALICE, 0, []),
    ],
)
async def test_only_those_forget_whom_it_concerns(
    within: str, account: str, lifted: int, told: list[Change]
) -> None:
    heard: list[Change] = []
    access = Access(
        cast(Any, Accounts()),
        cast(Any, None),
        cast(Any, Limits(lifted)),
        cast(Any, None),
        cast(Any, None),
        0,
        heard.append,
    )
    asked = wire.LiftLoginLimitsRequest(account=account, client_address="192.0.2.1")
    assert (await access.LiftLoginLimits(asked, cast(Any, Context(within)))).lifted == lifted
    assert heard == told
