"""Texts that were made to break who reads them: a search, a preview, and the filler, which reads what strangers send."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
import structlog
from imap.core import filling
from imap.core.filling import Filler
from imap.core.markup import from_html
from mailmodel import AccountRef
from mailstore import BodyText

from tests.support.imap_memory import Imap

HTML = "Subject: x\nContent-Type: text/html\n\n<p>stork &#{} heron</p>\n"
OWNER = AccountRef("tenant", "alice")


@pytest.mark.parametrize("number", ["9" * 5000 + ";", "x" + "f" * 5000, "0" * 5000 + "9" * 4999])
def test_a_number_without_end_is_no_character(imap: Imap, number: str) -> None:
    alice = imap.client(select="INBOX")
    alice.append(HTML.format(number))
    assert alice.say("SEARCH BODY stork BODY heron") == ["* SEARCH 1", "OK SEARCH completed"]
    assert "stork \ufffd heron" in "".join(alice.say("FETCH 1 PREVIEW"))


def test_characters_by_number_are_read() -> None:
    assert from_html("&#0000000000065;&#x000000000042;&#67 &#1114112; &#128512;") == "ABC \ufffd \U0001f600"


@pytest.mark.parametrize(
    "codec", ["punycode", "unicode_escape", "idna", "rot13", "no-such-thing", "utf-8\xff"]
)
def test_a_codec_that_is_no_charset_is_not_used(imap: Imap, codec: str) -> None:
    alice = imap.client(select="INBOX")
    alice.append(f"Subject: x\nContent-Type: text/plain; charset={codec}\n\na-stork\\u0041-zz9\n")
    assert alice.say('SEARCH BODY "a-stork\\\\u0041-zz9"')[0] == "* SEARCH 1"


class Broken:
    """A store with three messages, of which one cannot be read."""

    def __init__(self) -> None:
        self.kept: list[BodyText] = []

    async def without_text(self, owner: AccountRef, mailbox_id: int, below: int, limit: int) -> list[int]:
        return [3, 2, 1] if below > 3 else []

    async def fetch(self, owner: AccountRef, mailbox_id: int, uids: list[int], columns: object) -> Any:
        yield [SimpleNamespace(uid=uid, message_id=str(uid), size_octets=10) for uid in sorted(uids)]

    async def read_whole(self, run: list[Any]) -> list[bytes]:
        return [b"" for _ in run]

    async def keep_texts(self, owner: AccountRef, language: str, texts: list[BodyText]) -> None:
        if owner != OWNER:
            raise ValueError("nobody thought of this")
        self.kept += texts


async def test_what_cannot_be_read_leaves_the_filler_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    async def whole_text(reader: object, message: Any, whole: bytes | None) -> str:
        if message.uid == 2:
            raise ValueError("nobody thought of this")
        return f"TEXT {message.uid}"

    monkeypatch.setattr(filling, "whole_text", whole_text)
    store = Broken()
    filler = Filler(cast(Any, store), None, structlog.get_logger())
    filler.opened(AccountRef("tenant", "bob"), 6, 4)
    filler.opened(OWNER, 7, 4)
    await filler.work()
    assert [text.body for text in store.kept] == ["TEXT 1", "TEXT 3"]
