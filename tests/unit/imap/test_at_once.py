"""Two sessions that change one mailbox at the same moment (RFC 3501 §5.5, §6.4.6)."""

from mailmodel import AccountRef
from mailstore import Snapshot

from tests.support.imap_memory import Imap

LETTER = "Subject: hello\n\nx\n"


def test_silence_is_only_about_what_the_client_can_know(imap: Imap) -> None:
    one, two = imap.client(select="INBOX"), imap.client(select="INBOX")
    for _ in range(3):
        one.append(LETTER)
    two.say("NOOP")
    one.say("STORE 2 FLAGS (\\Answered Work)")
    # Two has not heard of it when it says this, and would believe that message 2 has no other flags.
    assert two.say("STORE 1:3 +FLAGS.SILENT (\\Flagged)") == [
        "* 2 FETCH (FLAGS (\\Answered \\Flagged Work \\Recent))",
        "OK STORE completed",
    ]
    # Who replaces all flags knows what they are.
    one.say("STORE 3 +FLAGS.SILENT (\\Seen)")
    assert two.say("STORE 3 FLAGS.SILENT (\\Draft)") == ["OK STORE completed"]
    one.say("STORE 1 +FLAGS.SILENT (\\Seen)")
    assert two.say("UID STORE 1 -FLAGS.SILENT (\\Flagged)")[0] == "* 1 FETCH (UID 1 FLAGS (\\Seen \\Recent))"


def test_what_happens_while_a_mailbox_is_opened_is_told_by_the_next_command(imap: Imap) -> None:
    one, two = imap.client(select="INBOX"), imap.client()
    for _ in range(3):
        one.append(LETTER)
    take = imap.store.snapshot

    async def snapshot(account: AccountRef, mailbox_id: int, *, claim_recent: bool = False) -> Snapshot:
        taken = await take(account, mailbox_id, claim_recent=claim_recent)
        await imap.store.remove(account, mailbox_id, [1])
        return taken

    imap.store.snapshot = snapshot  # type: ignore[method-assign]
    told = two.say("SELECT INBOX")
    assert "* 3 EXISTS" in told
    assert not [line for line in told if "EXPUNGE" in line], "numbers change while a client learns them"
    # Though nothing has changed since it was selected.
    assert two.say("UID FETCH 3 UID")[:-1] == ["* 3 FETCH (UID 3)", "* 1 EXPUNGE"]
