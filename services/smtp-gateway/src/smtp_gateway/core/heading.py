"""What the gateway reads of a message's header: who says to be the author, what is missing, what must not travel.

The octets that came are not rewritten. What is missing is said to be, and put in front; the fields that tell of blind
copies are cut out whole, because RFC 5322 §3.6.3 lets them go to nobody else.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from mailmsg.address import MAX_LIST_OCTETS, mailboxes
from mailmsg.header import fields, header_end, unfold
from mailproto.smtp.reply import Reply

NOT_ONE_FROM = Reply.of(550, "5.6.0", "A message has one From field (RFC 5322 3.6)")
NO_FROM = Reply.of(550, "5.6.0", "A message has a From field with an address (RFC 5322 3.6)")
TOO_LONG = Reply.of(552, "5.3.4", "The header is too big")
FIELD_TOO_LONG = Reply.of(552, "5.3.4", "A field of the header is too big")
FOLDED_NAME = Reply.of(550, "5.6.0", "A field's name and its colon stand on one line (RFC 5322 2.2)")
CONTINUED = Reply.of(550, "5.6.0", "A message does not begin with white space")
TOO_MANY_AUTHORS = Reply.of(550, "5.6.0", "That are too many authors")

# Each author field with the one that says who really sent it (RFC 5322 §3.6.2, §3.6.6).
SENDER_OF = {b"from": b"sender", b"resent-from": b"resent-sender"}
AUTHOR_FIELDS = (*SENDER_OF, *SENDER_OF.values())
AUTHORS = 100
FROM = re.compile(rb"^from[ \t]*+:", re.MULTILINE)
# To one reader a field, to another none at all.
COLON_BEHIND_FOLD = re.compile(rb"\n[ \t]++:")
NAME_BEFORE_FOLD = re.compile(rb"^[!-9;-~]++[ \t]*+(?:\r\n[ \t]++)++:", re.MULTILINE)
BLIND = re.compile(
    rb"^(?:resent-)?bcc[ \t]*+:(?:[^\n]*+\n(?=[ \t]))*+[^\n]*+\n?", re.IGNORECASE | re.MULTILINE
)
QUOTED = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
COMMENT = re.compile(rb"\([^()]*+\)")
BETWEEN = re.compile(rb"[\s<>,;:()\\]+")
COMMENT_DEPTH = 10


@dataclass(frozen=True, slots=True)
class Heading:
    """`named`: the addresses of From, Sender, Resent-From and Resent-Sender by field, "" among them for one without a
    domain. `octets` is the header's length with its blank line.
    """

    octets: int
    named: Mapping[bytes, frozenset[str]]
    has_date: bool
    has_message_id: bool
    has_blind_copies: bool

    @property
    def authors(self) -> frozenset[str]:
        """All of them."""
        return frozenset().union(*self.named.values())


def lowered_header(content: bytes, limit_octets: int) -> bytes:
    """A message's header with its blank line, in lower case: what is only searched for names is searched quickly so.

    Of a longer one than that the beginning, which is still too long: fifty megabytes of header keep nobody waiting.
    """
    return content[: header_end(content, 0, limit_octets) or limit_octets + 1].lower()


def refuse_header(header: bytes, limit_octets: int, field_limit_octets: int) -> Reply | None:
    """What every door refuses: a header that two readers may read in two ways, or one without measure. `header` as
    `lowered_header` gives it.
    """
    if header[:1] in (b" ", b"\t"):
        # It would continue the trace field that we put in front.
        return CONTINUED
    octets = len(header)
    if octets > limit_octets:
        return TOO_LONG
    if octets > field_limit_octets and _longest_field(header) > field_limit_octets:
        return FIELD_TOO_LONG
    if COLON_BEHIND_FOLD.search(header) and NAME_BEFORE_FOLD.search(header):
        return FOLDED_NAME
    # Nearly always there is one, and nothing that looks like another.
    if header.count(b"\nfrom") + header.startswith(b"from") <= 1:
        return None
    return NOT_ONE_FROM if len(FROM.findall(header)) > 1 else None


def _longest_field(header: bytes) -> int:
    """Octets of the longest field, with its continuation lines."""
    longest = start = 0
    while start < len(header):
        end = header.find(b"\n", start) + 1 or len(header)
        while header[end : end + 1] in (b" ", b"\t"):
            end = header.find(b"\n", end) + 1 or len(header)
        longest, start = max(longest, end - start), end
    return longest


def read_heading(content: bytes) -> Heading | Reply:
    """Of a message that a user submits; the reply where it is none that we take (RFC 6409 §6.3, §8)."""
    octets = header_end(content) or len(content)
    seen: dict[bytes, list[bytes]] = {}
    for field in fields(content[:octets]):
        seen.setdefault(field.name.lower(), []).append(unfold(field.value))
    if len(seen.get(b"from", ())) != 1 or not mailboxes(seen[b"from"][0]):
        return NO_FROM
    named: dict[bytes, frozenset[str]] = {}
    for name in AUTHOR_FIELDS:
        for value in seen.get(name, ()):
            if len(value) > MAX_LIST_OCTETS:
                # Of the rest nobody would look whose it is.
                return TOO_MANY_AUTHORS
            named[name] = named.get(name, frozenset()) | _addresses(value)
            if sum(map(len, named.values())) > AUTHORS:
                return TOO_MANY_AUTHORS
    return Heading(
        octets=octets,
        named=named,
        has_date=b"date" in seen,
        has_message_id=b"message-id" in seen,
        has_blind_copies=b"bcc" in seen or b"resent-bcc" in seen,
    )


def without_blind_copies(content: bytes, heading: Heading) -> bytes:
    """The message as it travels."""
    if not heading.has_blind_copies:
        return content
    return BLIND.sub(b"", content[: heading.octets]) + content[heading.octets :]


def missing_fields(heading: Heading, given: Collection[bytes], date: bytes, message_id: bytes) -> bytes:
    """The fields to put in front (RFC 6409 §8.2, §8.3), each ended by CRLF. `given`: names of those that stand there."""
    has_date = heading.has_date or b"date" in given
    has_message_id = heading.has_message_id or b"message-id" in given
    added = b"" if has_date else b"Date: " + date + b"\r\n"
    return added if has_message_id else added + b"Message-ID: " + message_id + b"\r\n"


def _addresses(value: bytes) -> set[str]:
    """Every address that a reader could take the field to name: those of the grammar, and what looks like one.

    Names in quotes and comments are words for people, and not looked at.
    """
    found = {_text(each.address if each.domain and not each.route else b"") for each in mailboxes(value)}
    bare = QUOTED.sub(b" ", value)
    for _ in range(COMMENT_DEPTH):
        inner = COMMENT.sub(b" ", bare)
        if inner == bare:
            break
        bare = inner
    for word in BETWEEN.split(bare):
        local_part, at, domain = word.rpartition(b"@")
        if at and local_part and domain:
            found.add(_text(word))
    return found


def _text(address: bytes) -> str:
    """ "" for what is no UTF-8: nobody owns it."""
    try:
        return address.decode("utf-8")
    except UnicodeDecodeError:
        return ""
