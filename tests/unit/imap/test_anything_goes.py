"""Whatever two clients say in whatever order: each command has one tagged answer, none is a fault of ours, and what
each was told of numbers is true."""

import random
import re

import pytest

from tests.support.imap_memory import Client, Imap

SETS = ("1", "1:*", "*", "$", "2:4", "1,3", "9", "4294967295", "*:2")
NAMES = ("INBOX", "Archive", "inbox", "Sent", "a/b", "Nowhere", '"&AOQ-"', '""', "a//b")
FLAGS = ("()", "(\\Seen)", "(\\Deleted $x)", "(\\Flagged \\Answered)", "(\\Recent)")
ITEMS = (
    *("FLAGS", "(UID FLAGS MODSEQ)", "(UID BODY[])", "FULL", "(BODY.PEEK[HEADER.FIELDS (Subject)]<2.5>)"),
    *("BINARY[1]", "(BINARY.SIZE[1] EMAILID THREADID SAVEDATE)", "(PREVIEW)", "BODY[1.MIME]", "BODY[9]"),
)
KEYS = (
    *("ALL", "SEEN", "NOT DELETED", "OR 1 UID 3", "SUBJECT x", "BODY text", "MODSEQ 3", "$", "YOUNGER 60"),
    *("SAVEDSINCE 1-Jan-2026", "KEYWORD $x", "(LARGER 10 SMALLER 10000)", "HEADER Subject two", "THREADID x"),
    *("UIDAFTER 2", "UIDBEFORE 4 UIDAFTER 1", "FILTER f"),
)
RETURNS = (
    *("", "RETURN () ", "RETURN (SAVE) ", "RETURN (MIN MAX COUNT SAVE) ", "RETURN (PARTIAL -1:-3) "),
    *("RETURN (UPDATE) ", "RETURN (COUNT UPDATE (FLAGS BODY.PEEK[TEXT])) "),
)
WATCHED = "(MessageNew MessageExpunge FlagChange)"
URL = "imap://alice%40example.test@localhost/INBOX/;UID=1/;SECTION=TEXT;URLAUTH=authuser"
MESSAGE = "Subject: x\r\n\r\ntext\r\n"


def command(dice: random.Random) -> str:
    numbers, name, flags = dice.choice(SETS), dice.choice(NAMES), dice.choice(FLAGS)
    items, key = dice.choice(ITEMS), dice.choice(KEYS)
    uid = dice.choice(("", "UID "))
    literal = f"{{{len(MESSAGE)}+}}\r\n{MESSAGE}"
    return dice.choice(
        (
            f"SELECT {name}",
            f"SELECT INBOX{dice.choice(('', ' (CONDSTORE)', ' (QRESYNC (1700000000 3 1:5))'))}",
            f"SELECT INBOX{dice.choice(('', ' (QRESYNC (1700000000 1 (1:2 1:2)))'))}",
            f"{uid}FETCH {numbers} {items}",
            f"{uid}FETCH {numbers} {items}",
            f"{uid}FETCH {numbers} FLAGS (CHANGEDSINCE 4{dice.choice(('', ' VANISHED'))})",
            f"{uid}STORE {numbers} {dice.choice('+- ').strip()}FLAGS{dice.choice(('', '.SILENT'))} {flags}",
            f"{uid}STORE {numbers} (UNCHANGEDSINCE {dice.randint(0, 20)}) +FLAGS {flags}",
            f"{uid}SEARCH {dice.choice(RETURNS)}{key}",
            f"{uid}SORT (SUBJECT REVERSE DATE) UTF-8 {key}",
            f"{uid}SORT RETURN (ALL UPDATE) (REVERSE ARRIVAL) UTF-8 {key}",
            f"ESEARCH IN ({dice.choice(('selected', 'personal', 'mailboxes Archive'))}) RETURN (COUNT UPDATE) {key}",
            f'CANCELUPDATE "t{dice.randint(1, 120)}"',
            f"{uid}THREAD REFERENCES UTF-8 {key}",
            f"{uid}COPY {numbers} {name}",
            f"{uid}MOVE {numbers} {name}",
            f"{uid}REPLACE {dice.randint(1, 5)} INBOX {literal}",
            f"APPEND {name} {flags} {literal}",
            f"APPEND INBOX {literal} {literal}",
            "EXPUNGE",
            "UID EXPUNGE 1:9",
            "NOOP",
            "CHECK",
            dice.choice(("CLOSE", "UNSELECT", "NOOP")),
            'LIST (SUBSCRIBED RECURSIVEMATCH) "" % RETURN (STATUS (MESSAGES DELETED HIGHESTMODSEQ))',
            f"STATUS {name} (MESSAGES RECENT SIZE DELETED MAILBOXID)",
            f"CREATE {name}",
            f"DELETE {name}",
            f"RENAME {name} {dice.choice(NAMES)}",
            f"SUBSCRIBE {name}",
            f"GETMETADATA {name} (DEPTH 1) /private/x",
            f'SETMETADATA {name} (/private/x "1")',
            f"ENABLE {dice.choice(('CONDSTORE', 'QRESYNC', 'IMAP4rev2', 'METADATA', 'X'))}",
            'SETMETADATA "" (/private/filters/values/f "OR 1:3 SEEN")',
            f"RESETKEY{dice.choice(('', f' {name}'))}",
            f'GENURLAUTH "{URL}" INTERNAL',
            f'URLFETCH "{URL}:internal:{"0a" * 33}" x',
            "IDLE",
            dice.choice(("NOTIFY NONE", f"NOTIFY SET (selected {WATCHED}) (personal {WATCHED})")),
            f"NOTIFY SET STATUS (selected-delayed {WATCHED}) (subtree a (MailboxName SubscriptionChange))",
        )
    )


class Watched:
    """A client that believes what it is told about numbers, and checks it with each FETCH of UIDs."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._uids: list[int | None] | None = None

    @property
    def selects_nothing(self) -> bool:
        return self._uids is None

    def do(self, said: str) -> None:
        for line in self._client.heard():
            self._hear(line, "")
        if said == "IDLE":
            answer = self._client.exchange(b"i IDLE\r\n")
            if answer.startswith(b"+"):
                answer += self._client.exchange(b"DONE\r\n")
            lines = answer.decode().split("\r\n")[:-1]
        else:
            lines = self._client.say(said)
        assert "SERVERBUG" not in lines[-1], (said, lines)
        assert "CORRUPTION" not in lines[-1], (said, lines)
        if said.startswith("SELECT"):
            self._uids = []
        for line in lines:
            self._hear(line, said)
        if said in ("CLOSE", "UNSELECT") or "Select a mailbox first" in lines[-1]:
            self._uids = None
        if said.startswith("SELECT") and not lines[-1].startswith("OK"):
            self._uids = None

    def _hear(self, line: str, said: str) -> None:
        if self._uids is None:
            return
        if (found := re.match(r"\* (\d+) EXISTS", line)) is not None:
            assert int(found[1]) >= len(self._uids)
            self._uids += [None] * (int(found[1]) - len(self._uids))
        elif (found := re.match(r"\* (\d+) EXPUNGE", line)) is not None:
            assert not re.match(r"(FETCH|STORE|SEARCH|SORT|THREAD)", said), "RFC 3501 §7.4.1"
            del self._uids[int(found[1]) - 1]
        elif (found := re.match(r"\* VANISHED ([\d:,]+)", line)) is not None:
            gone: set[int] = set()
            for part in found[1].split(","):
                low, _, high = part.partition(":")
                gone.update(range(int(low), int(high or low) + 1))
            if None in self._uids:
                # It does not know which of them it had: it asks.
                self._uids = None
                return
            self._uids = [uid for uid in self._uids if uid not in gone]
        elif (found := re.match(r"\* (\d+) FETCH \(.*?UID (\d+)", line)) is not None:
            number, uid = int(found[1]), int(found[2])
            assert number <= len(self._uids), (line, self._uids)
            assert self._uids[number - 1] in (None, uid), (line, self._uids)
            self._uids[number - 1] = uid


@pytest.mark.parametrize("seed", range(30))
def test_two_clients(imap: Imap, seed: int) -> None:
    dice = random.Random(seed)
    clients = [imap.client() for _ in range(2)]
    for name in ("INBOX", "Archive"):
        for _ in range(4):
            clients[0].append(MESSAGE, name)
    watched = [Watched(client) for client in clients]
    for _ in range(120):
        one = dice.choice(watched)
        one.do("SELECT INBOX" if one.selects_nothing and dice.random() < 0.8 else command(dice))
