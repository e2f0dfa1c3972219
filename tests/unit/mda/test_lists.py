"""Mailing lists: what a message to one is, what members get, and pages that are sent once however often one dies."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import pytest
from directoryclient import Disposition, Resolution
from mailmodel import AccountRef
from mailmsg.header import first_value
from mailstore import Delivery
from mda.core.findings import Finding
from mda.core.lists import Kind, MailingList, distributed, kind_of, posters_of
from mda.edge.distributing import Distributing
from senderauth import Result
from spool import Letter, SpooledLetter, SpoolUnavailable

from tests.support.mda_world import letter_of

TENANT = "11111111-0000-0000-0000-000000000001"
NEWS = MailingList(
    "id-news", TENANT, "news@example.test", "News", "members", False, ("owner@far.test",), ("mod@far.test",)
)
POST = b"From: <eve@peer.invalid>\r\nSubject: hello\r\n\r\nbody\r\n"


def post(content: bytes = POST, detail: str = "", reverse_path: str = "eve@peer.invalid") -> SpooledLetter:
    letter = letter_of(content, accounts=("news" + detail,))  # type: ignore[arg-type]
    return replace(letter, envelope=replace(letter.envelope, reverse_path=reverse_path))


def kind(letter: SpooledLetter, detail: str = "") -> Kind:
    return kind_of(NEWS, letter, letter.facts.header, detail)


def test_what_a_message_to_a_list_is() -> None:
    assert kind(post()) is Kind.POST
    assert kind(post(b"Auto-Submitted: no\r\n" + POST)) is Kind.POST
    assert kind(post(), "UnSubscribe") is Kind.UNSUBSCRIBE
    assert kind(post(reverse_path="")) is Kind.AUTOMATIC
    assert kind(post(b"Auto-Submitted: auto-replied (vacation)\r\n" + POST)) is Kind.AUTOMATIC
    assert kind(post(b"Auto-Submitted: auto-replied\r\n" + POST), "unsubscribe") is Kind.AUTOMATIC
    for detail in ("bounces", "owner"):
        assert kind(post(reverse_path=""), detail) is Kind.FOR_OWNERS
    for mark in (b"List-Id: The news <NEWS.example.test>\r\n", b"Delivered-To: news@example.test\r\n"):
        assert kind(post(mark + POST)) is Kind.LOOP
        assert kind(post(mark + POST), "owner") is Kind.LOOP
    assert kind(post(b"List-Id: <other.example.test>\r\n" + POST)) is Kind.POST


def test_the_fields_of_another_list_give_way_and_the_authors_stay() -> None:
    content = b"List-Id: <other.test>\r\nList-Unsubscribe:\r\n <https://evil.test>\r\nPrecedence: bulk\r\nReply-To: <me@x.test>\r\n"
    made = distributed(NEWS, content + POST, len(content + POST) - len(b"body\r\n"))
    header, _, body = made.partition(b"\r\n\r\n")
    assert body == b"body\r\n"
    assert b"evil" not in header
    assert header.lower().count(b"list-id:") == header.lower().count(b"precedence:") == 1
    assert first_value(header, b"list-id") == b'"News" <news.example.test>'
    assert header.endswith(b"Reply-To: <me@x.test>\r\n" + POST.partition(b"\r\n\r\n")[0])
    made = distributed(replace(NEWS, replies_to_list=True), content + POST, len(content))
    assert made.count(b"Reply-To:") == 1
    assert first_value(made, b"reply-to") == b"news@example.test"


def test_no_name_of_a_list_breaks_the_header() -> None:
    for name in ('a "quoted" \\ name', "Größe", "x" * 100, ""):
        made = distributed(replace(NEWS, name=name), POST, len(POST) - 6)
        assert first_value(made, b"list-id") is not None
        assert (first_value(made, b"list-id") or b"").endswith(b"<news.example.test>")


def test_only_what_is_proven_says_who_posts() -> None:
    letter = post(POST.replace(b"eve@peer.invalid", b"mod@far.test"))
    assert posters_of(letter) == ["eve@peer.invalid", "mod@far.test"]
    speaker = cast(Any, type("S", (), {"dmarc": Result.FAIL, "spf": Result.PASS}))
    strange = replace(letter, envelope=replace(letter.envelope, speaker=speaker))
    assert posters_of(strange) == ["eve@peer.invalid"]


class Around:
    """The directory, the gate, which fails when it is told to, and the quarantine."""

    def __init__(self) -> None:
        self.letters: dict[str, Letter] = {}
        self.pages = {0: ["a@far.test"], 2: ["b@far.test", "c@far.test"], 3: ["d@far.test"]}
        self.gone: list[str] = []
        self.held: list[tuple[SpooledLetter, Sequence[Finding]]] = []
        self.fails_at = 0

    async def resolve(self, addresses: Sequence[str]) -> list[Resolution]:
        return [Resolution(Disposition.REMOTE, ())] * len(addresses)

    async def accept(self, letter: Letter) -> None:
        self.fails_at -= 1
        if self.fails_at == 0:
            raise SpoolUnavailable("it is away")
        known = self.letters.setdefault(letter.queue_id, letter)
        assert [each.address for each in known.recipients] == [each.address for each in letter.recipients]

    async def page(self, mailing_list: MailingList, page: int) -> tuple[int, list[str]]:
        later = [number for number in self.pages if number >= page]
        return (min(later), self.pages[min(later)]) if later else (page, [])

    async def members(self, mailing_list: MailingList, addresses: Sequence[str]) -> list[str]:
        everybody = [each for page in self.pages.values() for each in page]
        return [each for each in addresses if each in everybody]

    async def remove(self, mailing_list: MailingList, addresses: Sequence[str]) -> None:
        self.gone += addresses

    async def header(self, letter: SpooledLetter) -> bytes:
        return letter.facts.header

    async def content(self, letter: SpooledLetter) -> bytes:
        return POST

    async def hold(self, letter: SpooledLetter, content: bytes, findings: Sequence[Finding]) -> None:
        self.held.append((letter, findings))


async def settle(
    around: Around, letter: SpooledLetter, mailing_list: MailingList = NEWS, **how: Any
) -> list[Delivery]:
    it = cast(Any, around)
    distributing = Distributing("mx.example.test", it, it, it, it, it)
    new = cast(Any, object())
    delivery = Delivery(
        AccountRef(TENANT, "id-news"), letter.envelope.queue_id, "news@example.test", "INBOX", new
    )
    return await distributing.settle(letter, [delivery], {"id-news": mailing_list}, **how)


async def test_each_member_is_in_one_letter_however_often_it_breaks_off() -> None:
    around, letter = Around(), post(reverse_path="a@far.test")
    for fails_at in (1, 2, 3):
        around.fails_at = fails_at
        with pytest.raises(SpoolUnavailable):
            await settle(around, letter)
    [done] = await settle(around, letter)
    assert done.new is None
    copies = [each.address for made in around.letters.values() for each in made.recipients]
    assert sorted(copies) == ["a@far.test", "b@far.test", "c@far.test", "d@far.test"]
    assert {made.reverse_path for made in around.letters.values()} == {"news+bounces@example.test"}


async def test_who_may_post() -> None:
    for posting, reverse_path, is_held in (
        ("members", "b@far.test", False),
        ("members", "x@far.test", True),
        ("members", "MOD@far.test", False),
        ("moderators", "b@far.test", True),
        ("moderators", "owner@far.test", False),
        ("anyone", "x@far.test", False),
    ):
        around = Around()
        await settle(around, post(reverse_path=reverse_path), replace(NEWS, posting=posting))
        assert bool(around.held) is is_held, (posting, reverse_path)
        sent_to = {each.address for made in around.letters.values() for each in made.recipients}
        assert sent_to == ({"mod@far.test"} if is_held else {f"{each}@far.test" for each in "abcd"})


async def test_what_is_taken_for_junk_is_held_whoever_posts_and_goes_out_when_released() -> None:
    around, letter = Around(), post(reverse_path="b@far.test")
    await settle(around, letter, suspect="it is taken for junk")
    [(held, [finding])] = around.held
    assert "junk" in finding.detail
    assert held.envelope.queue_id != letter.envelope.queue_id
    assert len(around.letters) == 1
    await settle(around, held, is_released=True)
    assert len(around.letters) == 4


async def test_nobody_is_taken_off_by_a_stranger() -> None:
    around = Around()
    await settle(around, post(detail="+unsubscribe", reverse_path="b@far.test"))
    assert around.gone == ["b@far.test"]
    [told] = around.letters.values()
    assert (told.reverse_path, [each.address for each in told.recipients]) == ("", ["b@far.test"])
    around = Around()
    await settle(around, post(detail="+unsubscribe", reverse_path="x@far.test"))
    assert around.gone == []
    [asked] = around.letters.values()
    assert [each.address for each in asked.recipients] == ["owner@far.test"]
