"""Commands that are nearly right: whatever is wrong with them, none is a fault of ours and the next one is served."""

import random

import pytest

from tests.support.imap_memory import Imap

COMMANDS = (
    *("LOGIN a b", "CAPABILITY", "NOOP", "EXPUNGE", 'RENAME "a b" c', "LSUB INBOX *", "COMPRESS LZ4"),
    *("ENABLE CONDSTORE", "EXAMINE INBOX", "CREATE a (USE (\\Sent))", 'ID ("a" "b" "c" NIL)'),
    'LIST (SUBSCRIBED) "" (a* b%) RETURN (CHILDREN STATUS (MESSAGES))',
    "ESEARCH IN (subtree a) RETURN (MIN) FLAGGED",
    "NOTIFY SET STATUS (selected (MessageNew (UID FLAGS) MessageExpunge)) (mailboxes (a b) NONE)",
    "SELECT INBOX (QRESYNC (1700000000 2 1:5 (1:2 3:4)))",
    "UID FETCH 1:* (FLAGS) (PARTIAL -1:-5 CHANGEDSINCE 3)",
    "FETCH 1 (BODY.PEEK[1.2.HEADER.FIELDS.NOT (a b)]<1.2> BINARY[1]<0.5> PREVIEW (LAZY))",
    "STORE 1 (UNCHANGEDSINCE 5) +FLAGS (\\Seen a)",
    'APPEND INBOX (\\Seen) "01-Jan-2026 00:00:00 +0000" ~{3+}\r\nabc {1+}\r\nx',
    "UID REPLACE 1 Sent {3+}\r\nabc",
    "UID SEARCH RETURN (COUNT UPDATE (UID BODY.PEEK[HEADER.FIELDS (Subject)])) UIDAFTER 1 UIDBEFORE 9",
    "ESEARCH IN (mailboxes (INBOX Sent) selected) RETURN (UPDATE PARTIAL 1:2) FILTER x",
    "APPEND Sent CATENATE (UTF8 (~{2+}\r\nab) TEXT {1+}\r\nx URL /INBOX/;UID=1)",
    "SORT RETURN (COUNT) (REVERSE DATE) UTF-8 OR TO x NOT CC y",
    "UID THREAD REFERENCES UTF-8 (SINCE 1-Jan-2020 TEXT x)",
    'SEARCH SENTON 1-Feb-2026 SAVEDBEFORE 2-Mar-2020 EMAILID M1 MODSEQ "/flags/x" all 3 HEADER a {1+}\r\nb',
    "SEARCH RETURN (SAVE PARTIAL 1:3) CHARSET UTF-8 YOUNGER 60 LARGER 3 $ 1:*,7",
    'GETMETADATA (DEPTH infinity MAXSIZE 3) "" (/private/a /shared/b)',
    'SETMETADATA INBOX (/private/a "x" /private/b NIL)',
    "RESETKEY INBOX INTERNAL",
    'GENURLAUTH "imap://alice%40example.test@localhost/INBOX/;UID=1;URLAUTH=user+alice%40example.test" INTERNAL',
    'URLFETCH ("imap://a@localhost/INBOX/;UID=1;URLAUTH=anonymous:internal:%s" BINARY BODYPARTSTRUCTURE) /x'
    % ("0a" * 33),
    "STATUS INBOX (MESSAGES RECENT DELETED SIZE MAILBOXID HIGHESTMODSEQ APPENDLIMIT)",
)
PIECES = b'()"{}\\ \r*%&~$:,0123456789<>[]\xff\xc3\x00A/-+.'


def mutated(dice: random.Random, command: str) -> bytes:
    octets = bytearray(command.encode())
    for _ in range(dice.randint(0, 3)):
        place = dice.randrange(len(octets) + 1)
        match dice.randrange(4):
            case 0:
                del octets[place : place + dice.randint(1, 4)]
            case 1:
                octets[place:place] = bytes(dice.choices(PIECES, k=dice.randint(1, 3)))
            case 2:
                start = dice.randrange(len(octets) + 1)
                octets[place:place] = octets[start : start + dice.randint(1, 12)]
            case _:
                octets[place : place + 1] = bytes([dice.randrange(256)])
    return bytes(octets)


@pytest.mark.parametrize("seed", range(10))
def test_nearly_right(seed: int) -> None:
    imap = Imap(errors=10**6)
    try:
        dice = random.Random(seed)
        client = imap.client(select="INBOX")
        client.append("Subject: x\n\nx\n")
        for number in range(150):
            sent = mutated(dice, dice.choice(COMMANDS))
            said = client.exchange(b"x %b\r\n\r\ny%d NOOP\r\n" % (sent, number))
            assert b"SERVERBUG" not in said, sent
            if client.is_over:
                # A line that is too long, or LOGOUT.
                client = imap.client(select="INBOX")
    finally:
        imap.close()
