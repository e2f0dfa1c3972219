"""Commands about URLs that give others access to a part of a message (RFC 4467 §9, RFC 5524 §5)."""

import re
from collections.abc import Callable

from mailproto.imap import commands as c
from mailproto.imap.cursor import Cursor, ParseError

URLS = 100
MECHANISM = re.compile(rb"[A-Za-z0-9.-]+")


def _mechanism(cursor: Cursor) -> str:
    """mechanism = "INTERNAL" / 1*(ALPHA / DIGIT / "-" / ".")"""
    found = cursor.match(MECHANISM)
    if found is None:
        raise ParseError("the name of a mechanism expected")
    return found[0].upper().decode("ascii")


def _url(cursor: Cursor) -> str:
    """url-full = astring, url-rump = astring"""
    url = cursor.text()
    if "\0" in url:
        raise ParseError("a URL holds no NUL")
    return url


def _reset_key(cursor: Cursor) -> c.Command:
    """resetkey = "RESETKEY" [SP mailbox *(SP mechanism)]; the form without a mailbox is not led here"""
    mailbox = cursor.mailbox()
    mechanisms: list[str] = []
    while cursor.take(b" "):
        mechanisms.append(_mechanism(cursor))
    return c.ResetKey(mailbox, tuple(mechanisms))


def _generate(cursor: Cursor) -> c.Command:
    """genurlauth = "GENURLAUTH" 1*(SP url-rump SP mechanism), the first space taken"""
    urls: list[c.RumpUrl] = []
    while not urls or cursor.take(b" "):
        url = _url(cursor)
        cursor.space()
        urls.append(c.RumpUrl(url, _mechanism(cursor)))
        if len(urls) > URLS:
            raise ParseError(f"at most {URLS} URLs", "LIMIT")
    return c.GenUrlAuth(tuple(urls))


def _fetch(cursor: Cursor) -> c.Command:
    """urlfetch = "URLFETCH" 1*(SP url-fetch-arg); url-fetch-arg = url-full / "(" url-full *(SP url-fetch-param) ")" """
    urls: list[c.WantedUrl] = []
    while not urls or cursor.take(b" "):
        urls.append(_wanted(cursor) if cursor.take(b"(") else c.WantedUrl(_url(cursor)))
        if len(urls) > URLS:
            raise ParseError(f"at most {URLS} URLs", "LIMIT")
    return c.UrlFetch(tuple(urls))


def _wanted(cursor: Cursor) -> c.WantedUrl:
    url = _url(cursor)
    items: list[c.UrlItem] = []
    while not cursor.take(b")"):
        cursor.space()
        word = cursor.word()
        if word not in [item.value for item in c.UrlItem]:
            raise ParseError("BODY, BINARY or BODYPARTSTRUCTURE expected")
        items.append(c.UrlItem(word))
    if len({*items}) < len(items) or {c.UrlItem.BODY, c.UrlItem.BINARY} <= {*items}:
        raise ParseError("each once, and not both of BODY and BINARY")
    return c.WantedUrl(url, tuple(items))


PARSERS: dict[bytes, Callable[[Cursor], c.Command]] = {
    b"RESETKEY": _reset_key,
    b"GENURLAUTH": _generate,
    b"URLFETCH": _fetch,
}
