"""URLs of messages and their parts (RFC 5092 §5, §6): `/INBOX;UIDVALIDITY=1/;UID=20/;SECTION=1.2/;PARTIAL=0.1024`.

With a server before it, or without; what stands after that (`url_access`) belongs to no message.
"""

import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from mailproto.imap.cursor import Cursor, ParseError
from mailproto.imap.fetch_items import Section, Seen, Text
from mailproto.imap.parse_fetch import parse_section

# imapurl = "imap://" iserver ipath-query; iserver = [iuserinfo "@"] host [":" port]
SERVER = re.compile(
    r"imap://(?:(?P<user>[^;@/]*)(?:;AUTH=[^@/]*)?@)?(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(?::[0-9]{1,5})?",
    re.IGNORECASE,
)
# imessagepart = imailbox-ref iuid [isection] [ipartial]; isection = "/;SECTION=" enc-section
PATH = re.compile(
    r"/(?P<mailbox>[^;?#]*?)(?:;UIDVALIDITY=(?P<validity>[1-9][0-9]{0,9}))?/;UID=(?P<uid>[1-9][0-9]{0,9})"
    r"(?:/?;SECTION=(?P<section>[^;?#/]*(?:/(?!;)[^;?#/]*)*))?"
    r"(?:/?;PARTIAL=(?P<first>[0-9]{1,19})(?:\.(?P<most>[1-9][0-9]{0,18}))?)?",
    re.IGNORECASE,
)
LONGEST = 8000


class UrlInvalid(ValueError):
    """The text is no such URL."""


@dataclass(frozen=True, slots=True)
class MessageUrl:
    """`mailbox` is "" for the selected one; `uid_validity` None where the URL says nothing."""

    user: str
    host: str
    mailbox: str
    uid_validity: int | None
    uid: int
    section: Section
    rest: str = ""


def parse_url(text: str) -> MessageUrl:
    """Raises UrlInvalid."""
    if len(text) > LONGEST or not text.isascii():
        raise UrlInvalid("too long, or not ASCII")
    server = SERVER.match(text)
    path = PATH.match(text, server.end() if server is not None else 0)
    if path is None:
        raise UrlInvalid("no message is named")
    partial = None
    if path["first"] is not None:
        partial = (int(path["first"]), int(path["most"]) if path["most"] else (1 << 62))
    return MessageUrl(
        user=_decoded(server["user"] or "") if server is not None else "",
        host=server["host"] if server is not None else "",
        mailbox=_decoded(path["mailbox"]).rstrip("/"),
        uid_validity=int(path["validity"]) if path["validity"] else None,
        uid=int(path["uid"]),
        section=_section(path["section"] or "", partial),
        rest=text[path.end() :],
    )


def _decoded(text: str) -> str:
    try:
        return unquote_to_bytes(text).decode("utf-8")
    except UnicodeDecodeError as error:
        raise UrlInvalid("not UTF-8") from error


def _section(text: str, partial: tuple[int, int] | None) -> Section:
    octets = unquote_to_bytes(text)
    if b"\r" in octets or b"\n" in octets or b"]" in octets:
        raise UrlInvalid("no section")
    if not octets:
        return Section((), Text.ALL, (), partial, Seen.PEEK, b"BODY[]")
    cursor = Cursor(octets + b"]")
    try:
        found = parse_section(cursor, Seen.PEEK)
        cursor.end()
    except ParseError as error:
        raise UrlInvalid(str(error)) from error
    return Section(found.part, found.text, found.fields, partial, Seen.PEEK, found.label)
