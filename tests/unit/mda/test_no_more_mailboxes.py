"""Where an account has as many mailboxes as it may have, a script makes no more: senders choose their names."""

import asyncio
from typing import Any, cast
from unittest.mock import AsyncMock

import pytest
from mailmodel import AccountRef
from mailmodel.mailbox_name import MailboxNameInvalid
from mailstore import MailboxesFull
from mda.edge.placing import Placing
from sieve.actions import Target


@pytest.mark.parametrize("refusal", [MailboxesFull, MailboxNameInvalid])
def test_what_cannot_be_made_is_no_mailbox(refusal: type[Exception]) -> None:
    store, running = AsyncMock(), AsyncMock()
    running.mailbox.return_value = None
    store.create_mailbox.side_effect = refusal
    placing = Placing(cast(Any, store), cast(Any, running))
    account = AccountRef("a", "b")
    assert asyncio.run(placing.name_of(account, Target("anything", create=True))) is None
    store.create_mailbox.assert_awaited_once_with(account, "anything")
