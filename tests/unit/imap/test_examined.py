"""EXAMINE: nothing that a client does then changes the mailbox (RFC 3501 §6.3.2)."""

from tests.support.imap_memory import Imap


def test_a_mailbox_that_was_only_examined_loses_nothing(imap: Imap) -> None:
    alice = imap.client(select="INBOX")
    alice.append("Subject: x\n\nx\n", flags="(\\Deleted)")
    assert alice.say("EXAMINE INBOX")[-1].startswith("OK [READ-ONLY]")
    for command in ("EXPUNGE", "UID EXPUNGE 1", "STORE 1 +FLAGS (\\Seen)", "MOVE 1 Trash", "FETCH 1 BODY[]"):
        alice.say(command)
    assert alice.say("CLOSE")[-1].startswith("OK")
    assert "* STATUS INBOX (MESSAGES 1 UNSEEN 1)" in alice.say("STATUS INBOX (MESSAGES UNSEEN)")
    # UNSELECT neither, CLOSE of one that was selected does.
    alice.say("SELECT INBOX")
    alice.say("UNSELECT")
    assert "* STATUS INBOX (MESSAGES 1)" in alice.say("STATUS INBOX (MESSAGES)")
    alice.say("SELECT INBOX")
    assert alice.say("CLOSE")[-1].startswith("OK")
    assert "* STATUS INBOX (MESSAGES 0)" in alice.say("STATUS INBOX (MESSAGES)")
