"""How a command ends: OK, NO or BAD, with a response code where one belongs (RFC 3501 §7.1, RFC 5530)."""

from dataclasses import dataclass

from mailstore import BodyCorrupt, StoreUnavailable


@dataclass(frozen=True, slots=True)
class Answer:
    """The tagged answer."""

    status: str
    text: str
    code: str = ""


def ok(text: str, code: str = "") -> Answer:
    """Done."""
    return Answer("OK", text, code)


class No(Exception):
    """The command cannot be done; raised anywhere in a command, answered with NO."""

    def __init__(self, text: str, code: str = "") -> None:
        super().__init__(text)
        self.code = code


# What is in the way of telling something that nobody has asked for: it is looked for again.
NOT_NOW = (No, BodyCorrupt, StoreUnavailable)


class Bad(Exception):
    """The command makes no sense here: the client's fault, answered with BAD."""

    def __init__(self, text: str, code: str = "CLIENTBUG") -> None:
        super().__init__(text)
        self.code = code


NO_MAILBOX = ("There is no such mailbox", "NONEXISTENT")
# RFC 9586 §3
BY_UID = ("UIDs only", "UIDREQUIRED")
