"""What a user opens is told where senders may know of it (RFC 8098), and nothing else is."""

from collections.abc import Sequence

import pytest
from directoryclient import Unavailable
from directoryclient.policies import AccountSettings, TenantPolicy
from mailmodel import AccountRef

from tests.support.imap_memory import Imap


class Chosen:
    """alice allows it always, others what they are told here."""

    def __init__(self, mdn: str = "always") -> None:
        self.mdn = mdn
        self.is_away = False

    async def of(self, tenant_id: str) -> TenantPolicy:
        return TenantPolicy()

    async def of_account(self, account_id: str) -> AccountSettings:
        if self.is_away:
            raise Unavailable("away")
        return AccountSettings(mdn=self.mdn)


class Heard:
    def __init__(self) -> None:
        self.uids: list[list[int]] = []

    def __call__(self, account: AccountRef, mailbox_id: int, uids: Sequence[int]) -> None:
        assert account == AccountRef("tenant", "alice")
        self.uids.append(list(uids))


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("FETCH 2 BODY[]", [[2]]),
        ("FETCH 1:3 BODY[TEXT]", [[1, 3]]),
        ("UID STORE 2:3 +FLAGS.SILENT (\\Seen \\Flagged)", [[3]]),
        ("STORE 1 FLAGS (\\Seen)", [[1]]),
        ("FETCH 2 BODY.PEEK[]", []),
        ("STORE 1 +FLAGS (\\Flagged)", []),
        ("STORE 2 -FLAGS (\\Seen)", []),
        ("STORE 1:* +FLAGS (\\Seen)", []),
    ],
)
def test_what_becomes_seen_is_told_unless_many_do(command: str, told: list[list[int]]) -> None:
    heard = Heard()
    imap = Imap(policies=Chosen(), opened=heard)
    try:
        client = imap.client(select="INBOX")
        seen_at_first = {"FETCH 2 BODY[]": ()}.get(command, (2,))
        for uid in range(1, 4 if "*" not in command else 13):
            client.append("Subject: x\n\nx\n", flags="(\\Seen)" if uid in seen_at_first else "()")
        client.say("NOOP")
        assert client.say(command)[-1].startswith("OK")
        assert client.say(command)[-1].startswith("OK")
        assert heard.uids == told
    finally:
        imap.close()


@pytest.mark.parametrize("mdn", ["", "ask", "never", "away"])
def test_nothing_is_told_where_it_was_not_chosen_or_cannot_be_asked(mdn: str) -> None:
    heard, chosen = Heard(), Chosen(mdn)
    chosen.is_away = mdn == "away"
    imap = Imap(policies=chosen, opened=heard)
    try:
        client = imap.client(select="INBOX")
        client.append("Subject: x\n\nx\n")
        client.say("NOOP")
        assert client.say("FETCH 1 BODY[]")[-1].startswith("OK")
        assert heard.uids == []
    finally:
        imap.close()
