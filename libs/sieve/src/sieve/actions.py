"""What a run asks for. Whoever runs the script carries it out, in this order, each action told by the line behind it.

`edition` is the message as "addheader", "replace" and the like have left it when the action was taken; None stands
for the message as received.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from sieve.errors import Place, RunError


@dataclass(frozen=True, slots=True)
class Edition:
    """A message that the script has changed. `body` is None where only the header has changed."""

    header: bytes
    body: bytes | None


@dataclass(frozen=True, slots=True)
class Target:
    """A mailbox to put something into.

    `special_use` (RFC 8579) and `mailbox_id` (RFC 9042) go before the name where a mailbox has them; `create`: make
    the mailbox where it is missing (RFC 5490 §3.2).
    """

    mailbox: str
    create: bool = False
    special_use: str | None = None
    mailbox_id: str | None = None


@dataclass(frozen=True, slots=True)
class Keep:
    """Put the message into the inbox, with these flags (RFC 5228 §4.3). Line 0 is the implicit keep."""

    place: Place
    flags: tuple[str, ...] = ()
    edition: Edition | None = None

    @property
    def is_implicit(self) -> bool:
        """True for the keep that no command asked for (RFC 5228 §2.10.2)."""
        return self.place.line == 0


@dataclass(frozen=True, slots=True)
class FileInto:
    """Put the message into a mailbox, with these flags (RFC 5228 §4.1)."""

    place: Place
    target: Target
    flags: tuple[str, ...] = ()
    edition: Edition | None = None


@dataclass(frozen=True, slots=True)
class Redirect:
    """Send the message on (RFC 5228 §4.2). The reverse-path stays empty where it was."""

    place: Place
    address: str
    edition: Edition | None = None


@dataclass(frozen=True, slots=True)
class RedirectToList:
    """Send the message on to all members of an external list (RFC 6134 §2.4)."""

    place: Place
    list_name: str
    edition: Edition | None = None


@dataclass(frozen=True, slots=True)
class Discard:
    """Drop the message silently; other actions still happen (RFC 5228 §4.4)."""

    place: Place


class Refusal(Enum):
    """How to refuse (RFC 5429): in the protocol where possible, or with the exact reason and so by MDN if need be."""

    EREJECT = "ereject"
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class Reject:
    """Refuse the message (RFC 5429). The answer is about the message as received."""

    place: Place
    refusal: Refusal
    reason: str


@dataclass(frozen=True, slots=True)
class FileCopy:
    """Where a copy of a generated message goes (RFC 8580)."""

    target: Target
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Vacation:
    """Answer the sender, unless an answer under this `handle` went to `recipient` within the interval (RFC 5230).

    `handle` tells answers apart, whatever it holds; an interval of 0 answers always. `sender` is the From field's
    value, None for the user's own address. `content` is the text, or a MIME entity with its header where `is_mime`.
    """

    place: Place
    recipient: str
    handle: str
    interval_seconds: int
    subject: str
    sender: str | None
    content: bytes
    is_mime: bool
    in_reply_to: str
    references: str
    file_copy: FileCopy | None = None


@dataclass(frozen=True, slots=True)
class Notify:
    """Tell somebody about the message (RFC 5435) by mail (RFC 5436).

    `header` holds the further fields that the URI asked for. `reverse_path_is_null`: the notification must have the
    null reverse-path too.
    """

    place: Place
    method: str
    recipients: tuple[str, ...]
    copies: tuple[str, ...]
    sender: str | None
    importance: int
    subject: str
    header: tuple[tuple[str, str], ...]
    text: str
    options: tuple[str, ...]
    reverse_path_is_null: bool
    file_copy: FileCopy | None = None


class Withheld(Enum):
    """Why an answer or a notification is not sent."""

    NULL_REVERSE_PATH = "the message has no sender"
    NOT_ADDRESSED = "none of the user's addresses is among the recipients in the header"
    AUTOMATIC = "the message was sent automatically"
    MAILING_LIST = "the message came by a mailing list"
    SYSTEM_SENDER = "the sender is a program"
    OWN_MESSAGE = "the sender is the user"
    BAD_SENDER = "the sender's address can't be read"


@dataclass(frozen=True, slots=True)
class NotSent:
    """A vacation or a notify that was run, and that the rules forbid to send: nothing is to be done."""

    place: Place
    command: str
    reason: Withheld


Action = Keep | FileInto | Redirect | RedirectToList | Discard | Reject | Vacation | Notify | NotSent


@dataclass(frozen=True, slots=True)
class FlagsSet:
    """The flags that a variable holds from here on; `variable` is empty for the internal one (RFC 5232 §3)."""

    place: Place
    variable: str
    flags: tuple[str, ...]


class Position(Enum):
    """Where a field was added (RFC 5293 §4)."""

    FIRST = "first"
    LAST = "last"


@dataclass(frozen=True, slots=True)
class HeaderAdded:
    """A field was added (RFC 5293 §4)."""

    place: Place
    name: str
    value: str
    position: Position


@dataclass(frozen=True, slots=True)
class HeaderDeleted:
    """So many fields of a name were deleted (RFC 5293 §5)."""

    place: Place
    name: str
    count: int


@dataclass(frozen=True, slots=True)
class PartReplaced:
    """A part, or the whole message where `section` is empty, was replaced (RFC 5703 §5)."""

    place: Place
    section: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class MessageEnclosed:
    """The message was put into a new one (RFC 5703 §6)."""

    place: Place


Effect = FlagsSet | HeaderAdded | HeaderDeleted | PartReplaced | MessageEnclosed
"""What a command changed for the actions after it. Nothing is to be done about it: for a dry run to show."""


@dataclass(frozen=True, slots=True)
class Track:
    """Remember an id under a handle (RFC 7352), once all actions are done.

    `extends`: an entry that is already there lives on for `seconds` from now (":last").
    """

    handle: str
    unique_id: bytes
    seconds: int
    extends: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a run. After an `error` the only action is the implicit keep of the message as received."""

    actions: tuple[Action, ...]
    effects: tuple[Effect, ...]
    tracks: tuple[Track, ...]
    error: RunError | None
    steps: int
