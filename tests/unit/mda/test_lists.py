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
from mda.core.list_commands import Asked, Verdict, Wish, asked, returned
from mda.core.lists import (
    Kind,
    MailingList,
    copies,
    detail_of,
    distributed,
    kind_of,
    may_sign,
    posters_of,
)
from mda.edge.distributing import Distributing
from mda.ports import Bounced, Subscription
from senderauth import Result
from spool import Letter, SpooledLetter, SpoolUnavailable

from tests.support.mda_world import letter_of

TOKEN = "abcdefghij2345672345"
LIST_ID = "22222222-0000-0000-0000-000000000002"
TENANT = "11111111-0000-0000-0000-000000000001"
NEWS = MailingList(
    LIST_ID, TENANT, "news@example.test", "News", "members", False, ("owner@far.test",), ("mod@far.test",)
)
POST = b"From: <eve@peer.invalid>\r\nSubject: hello\r\n\r\nbody\r\n"


def post(content: bytes = POST, detail: str = "", reverse_path: str = "eve@peer.invalid") -> SpooledLetter:
    letter = letter_of(content, accounts=("news" + detail,))
    [mine] = letter.envelope.recipients
    mine = replace(mine, account_id=LIST_ID)
    return replace(letter, envelope=replace(letter.envelope, reverse_path=reverse_path, recipients=(mine,)))


def kind(letter: SpooledLetter, detail: str = "") -> Kind:
    return kind_of(NEWS, letter, letter.facts.header, detail)


def test_what_a_message_to_a_list_is() -> None:
    assert kind(post()) is Kind.POST
    assert kind(post(b"Auto-Submitted: no\r\n" + POST)) is Kind.POST
    for detail in ("UnSubscribe", "subscribe", "request", "confirm"):
        assert kind(post(), detail) is Kind.COMMAND
    assert kind(post(reverse_path=""), "b-abc") is Kind.RETURNED
    assert kind(post(), "b-abc") is Kind.FOR_OWNERS, "somebody answered to the reverse-path"
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
        self.state = Subscription.ASKED
        self.asked: list[str] = []
        self.bounces: list[tuple[str, str]] = []
        self.events: list[str] = []
        self.bounce = Bounced("a@far.test", 1)
        self.body = POST

    async def resolve(self, addresses: Sequence[str]) -> list[Resolution]:
        return [Resolution(Disposition.REMOTE, ())] * len(addresses)

    async def accept(self, letter: Letter) -> None:
        self.fails_at -= 1
        if self.fails_at == 0:
            raise SpoolUnavailable("it is away")
        known = self.letters.setdefault(letter.queue_id, letter)
        assert [each.address for each in known.recipients] == [each.address for each in letter.recipients]

    async def page(self, mailing_list: MailingList, page: int) -> tuple[int, list[tuple[str, str]]]:
        later = [number for number in self.pages if number >= page]
        return (
            (min(later), [(each, f"t-{each[0]}") for each in self.pages[min(later)]]) if later else (page, [])
        )

    async def subscribe(self, mailing_list: MailingList, address: str) -> tuple[Subscription, str]:
        self.asked.append(address)
        return self.state, TOKEN if self.state is Subscription.ASKED else ""

    async def confirm(self, mailing_list: MailingList, addresses: Sequence[str], token: str) -> str:
        return next((each for each in addresses if each in self.asked and token == TOKEN), "")

    async def bounced(self, mailing_list: MailingList, token: str, reply: str, event_id: str) -> Bounced:
        self.bounces.append((token, reply))
        self.events.append(event_id)
        return self.bounce

    async def members(self, mailing_list: MailingList, addresses: Sequence[str]) -> list[str]:
        everybody = [each for page in self.pages.values() for each in page]
        return [each for each in addresses if each in everybody]

    async def remove(self, mailing_list: MailingList, addresses: Sequence[str]) -> None:
        self.gone += addresses

    async def header(self, letter: SpooledLetter) -> bytes:
        return letter.facts.header

    async def content(self, letter: SpooledLetter) -> bytes:
        return self.body

    async def hold(self, letter: SpooledLetter, content: bytes, findings: Sequence[Finding]) -> None:
        self.held.append((letter, findings))


async def settle(
    around: Around, letter: SpooledLetter, mailing_list: MailingList = NEWS, **how: Any
) -> list[Delivery]:
    it = cast(Any, around)
    distributing = Distributing("mx.example.test", it, it, it, it, it, "https://lists.example.test")
    new = cast(Any, object())
    delivery = Delivery(
        AccountRef(TENANT, LIST_ID), letter.envelope.queue_id, "news@example.test", "INBOX", new
    )
    return await distributing.settle(letter, [delivery], {LIST_ID: mailing_list}, **how)


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


async def test_a_held_posts_subject_says_nothing_on_lines_of_its_own() -> None:
    """It could name another message, which a moderator then releases."""
    around = Around()
    content = POST.replace(b"Subject: ", b"Subject: =?utf-8?q?x=0D=0AQueue_id:_01J?= ")
    await settle(around, post(content), suspect="it is taken for junk")
    [told] = around.letters.values()
    [(held, _)] = around.held
    named = [line for line in told.content.splitlines() if line.startswith(b"Queue id:")]
    assert named == [b"Queue id: " + held.envelope.queue_id.encode()]


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


def to(address: str) -> SpooledLetter:
    letter = post()
    [recipient] = letter.envelope.recipients
    mine = replace(recipient, account_id=LIST_ID, address="news@example.test", original_address=address)
    return replace(letter, envelope=replace(letter.envelope, recipients=(mine,)))


def test_which_of_its_addresses_a_message_came_to() -> None:
    for address, detail in (
        ("news@example.test", ""),
        ("NEWS+Subscribe@example.test", "subscribe"),
        ("news-request@example.test", "request"),
        ("news-bounces@example.test", ""),
        ("news+b-abc@example.test", "b-abc"),
        ("other-request@example.test", ""),
    ):
        assert detail_of(NEWS, to(address)) == detail


def test_what_each_copy_has_of_its_own() -> None:
    own = copies(NEWS, "https://lists.example.test/", True)
    assert own.reverse_path == "news+b-<>@example.test"
    assert own.signing_domain == "example.test"
    text = own.fields.replace(b"<>", b"TOKEN")
    assert text.count(b"\r\n") == 3
    assert first_value(text + b"\r\n", b"list-unsubscribe-post") == b"List-Unsubscribe=One-Click"
    assert b"<https://lists.example.test/unsubscribe/eirceiqaaaaaaaaaaaaaaaaaaiTOKEN>," in text
    assert b"\r\n <mailto:news+unsubscribe@example.test?subject=unsubscribe>" in text
    for url, is_signed in (("", True), ("https://lists.example.test", False)):
        fields = copies(NEWS, url, is_signed).fields
        assert fields == b"List-Unsubscribe: <mailto:news+unsubscribe@example.test?subject=unsubscribe>\r\n"
    fits = copies(replace(NEWS, address=f"{'n' * 37}@example.test"), "", True).reverse_path
    assert len(fits.replace("<>", "t" * 24).partition("@")[0]) == 64


def test_however_long_its_name_is_there_is_room_for_all_that_stands_behind_it() -> None:
    short = f"l-{'a' * 26}@example.test"
    for octets in range(1, 65):
        news = replace(NEWS, address=f"{'n' * octets}@example.test", short_address=short)
        own = copies(news, "", True)
        came = to(own.reverse_path.replace("<>", "T" * 24))
        assert kind_of(news, came, b"", detail_of(news, came)) is Kind.FOR_OWNERS
        assert detail_of(news, came) == "b-" + "t" * 24
        for detail in ("unsubscribe", "subscribe", "confirm", "request", "owner", "bounces"):
            assert detail_of(news, to(news.beside(detail))) == detail
            assert len(news.beside(detail).partition("@")[0]) <= 64
        assert len(own.reverse_path.partition("@")[0]) - 2 + 24 <= 64
        assert b"mailto:" + news.beside("unsubscribe").encode() in own.fields
    # A directory from before there were short addresses.
    before = replace(NEWS, address=f"{'n' * 38}@example.test")
    assert copies(before, "", True).reverse_path == f"{'n' * 38}+bounces@example.test"


def test_the_lists_domain_signs_nothing_that_may_pass_for_mail_of_its_own_people() -> None:
    def checked(sender: bytes, *, dmarc: Result | None, account: str = "") -> bool:
        content = b"From: <" + sender + b">\r\nSubject: hello\r\n\r\nbody\r\n"
        letter = post(content)
        speaker = None if dmarc is None else cast(Any, type("S", (), {"dmarc": dmarc, "spf": Result.PASS}))
        letter = replace(
            letter, envelope=replace(letter.envelope, speaker=speaker, sender_account_id=account)
        )
        return may_sign(NEWS, letter, letter.facts.header)

    assert checked(b"ann@far.invalid", dmarc=Result.NONE)
    assert checked(b"boss@example.test", dmarc=Result.PASS)
    assert checked(b"boss@example.test", dmarc=None, account="a")
    for sender in (b"boss@example.test", b"boss@Sub.Example.Test.", b"boss@test"):
        assert not checked(sender, dmarc=Result.NONE) or sender == b"boss@test"
        assert not checked(sender, dmarc=None) or sender == b"boss@test"
    for doubled in (b"ann@far.invalid>, <boss@example.test", b"ann@far.invalid>\r\nFrom: <boss@example.test"):
        assert not checked(doubled, dmarc=Result.NONE)


def test_what_is_asked_at_the_request_address() -> None:
    def wish(detail: str, subject: bytes, body: bytes = b"") -> Asked:
        return asked(detail, b"Subject: " + subject + b"\r\n\r\n", body)

    assert wish("subscribe", b"anything") == Asked(Wish.SUBSCRIBE)
    assert wish("unsubscribe", b"subscribe") == Asked(Wish.UNSUBSCRIBE)
    assert wish("request", b"Subscribe please") == Asked(Wish.SUBSCRIBE)
    assert wish("request", b"", b"\r\n leave\r\nsubscribe\r\n") == Asked(Wish.UNSUBSCRIBE)
    assert wish("request", b"hello", b"subscribe") == Asked(Wish.HELP)
    assert wish("confirm", b"Re: confirm " + TOKEN.upper().encode()) == Asked(Wish.CONFIRM, TOKEN)
    assert wish("confirm", b"confirm it") == Asked(Wish.HELP)


REPORT = (
    b"MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n"
    b"--b\r\n\r\n550 5.1.1 as text\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n"
    b"Reporting-MTA: dns; far.test\r\n\r\nFinal-Recipient: rfc822; a@far.test\r\nAction: %s\r\n"
    b"Status: 5.1.1\r\nDiagnostic-Code: smtp; 550 5.1.1 no such user\r\n\r\n--b--\r\n"
)


def test_what_a_message_says_that_came_back() -> None:
    assert returned(REPORT % b"failed") == (Verdict.FAILED, "550 5.1.1 no such user")
    assert returned(REPORT % b"delayed") == (Verdict.NOTHING, "")
    plain = b"Subject: failure\r\n\r\nSorry.\r\n<a@far.test>: 550 5.1.1 unknown user\r\n"
    assert returned(plain) == (Verdict.FAILED, "550 5.1.1 unknown user")
    assert returned(plain.replace(b"550 5.1.1", b"#5.2.2")) == (Verdict.FAILED, "#5.2.2 unknown user")
    assert returned(b"Auto-Submitted: auto-replied (vacation)\r\n" + plain) == (Verdict.NOTHING, "")
    # The beginning counts.
    assert returned(plain + b"x" * 10_000_000) == (Verdict.FAILED, "550 5.1.1 unknown user")
    assert returned(b"X: y\r\n" * 100_000 + plain) == (Verdict.UNCLEAR, "")
    for unclear in (b"", b"Subject: away\r\n\r\nI am at 10.5.1.1 until 5.11.2026\r\n", b"x" * 100_000):
        assert returned(unclear) == (Verdict.UNCLEAR, "")


async def command(
    around: Around, address: str, content: bytes, reverse_path: str = "x@far.test"
) -> list[Letter]:
    """What is sent for it."""
    around.body = content
    letter = post(content, reverse_path=reverse_path)
    recipient = replace(letter.envelope.recipients[0], account_id=LIST_ID, original_address=address)
    await settle(around, replace(letter, envelope=replace(letter.envelope, recipients=(recipient,))))
    return list(around.letters.values())


async def test_who_asks_and_confirms_becomes_a_member() -> None:
    around = Around()
    plain = b"From: <x@far.test>\r\nSubject: %s\r\n\r\n"
    [question] = await command(around, "news-subscribe@example.test", plain % b"hello")
    assert [each.address for each in question.recipients] == ["x@far.test"]
    assert first_value(question.content, b"subject") == f"confirm {TOKEN}".encode()
    assert first_value(question.content, b"reply-to") == b"news+confirm@example.test"
    assert first_value(question.content, b"auto-submitted") == b"auto-generated"
    assert question.reverse_path == ""
    around.letters.clear()
    [welcome] = await command(around, "news+confirm@example.test", plain % f"Re: confirm {TOKEN}".encode())
    assert b"is a member of the mailing list" in welcome.content
    around.letters.clear()
    [for_owners] = await command(
        around, "news+confirm@example.test", plain % f"confirm {TOKEN[::-1]}".encode()
    )
    assert [each.address for each in for_owners.recipients] == ["owner@far.test"]


async def test_a_machine_hears_nothing_and_who_is_not_proven_neither() -> None:
    around = Around()
    subject = b"From: <x@far.test>\r\nAuto-Submitted: auto-replied\r\nSubject: subscribe\r\n\r\n"
    assert await command(around, "news-request@example.test", subject) == []
    assert await command(around, "news-request@example.test", subject, reverse_path="") == []
    speaker = cast(Any, type("S", (), {"dmarc": Result.FAIL, "spf": Result.FAIL}))
    letter = to("news-subscribe@example.test")
    await settle(around, replace(letter, envelope=replace(letter.envelope, speaker=speaker)))
    assert around.asked == []
    assert [each.address for made in around.letters.values() for each in made.recipients] == [
        "owner@far.test"
    ]


@pytest.mark.parametrize("state", [Subscription.MEMBER, Subscription.CLOSED])
async def test_who_cannot_become_a_member_is_told_why(state: Subscription) -> None:
    around = Around()
    around.state = state
    [answer] = await command(
        around, "news-request@example.test", b"From: <x@far.test>\r\nSubject: join\r\n\r\n"
    )
    assert (b"already" if state is Subscription.MEMBER else b"owners") in answer.content
    assert TOKEN.encode() not in answer.content


async def test_a_copy_that_comes_back_is_counted_and_the_owners_hear_when_it_is_enough() -> None:
    around = Around()
    there = "news+b-mytoken@example.test"
    assert await command(around, there, REPORT % b"failed", "") == []
    assert await command(around, there, REPORT % b"delayed", "") == []
    assert around.bounces == [("mytoken", "550 5.1.1 no such user")]
    around.bounce = Bounced("a@far.test", 5, is_suspended=True)
    [told] = await command(around, there, REPORT % b"failed", "")
    assert [each.address for each in told.recipients] == ["owner@far.test"]
    assert b"came back on 5 days" in told.content
    around.letters.clear()
    around.bounce = Bounced("")
    assert await command(around, there, REPORT % b"failed", "") == []
    [unclear] = await command(around, there, b"Subject: what is this\r\n\r\n", "")
    assert [each.address for each in unclear.recipients] == ["owner@far.test"]


async def test_owners_hear_of_it_though_the_gate_was_away_and_only_then_is_the_member_removed() -> None:
    around = Around()
    around.bounce = Bounced("a@far.test", 5, is_removed=True)
    there = "news+b-mytoken@example.test"
    around.body = REPORT % b"failed"
    letter = post(around.body, reverse_path="")
    recipient = replace(letter.envelope.recipients[0], account_id=LIST_ID, original_address=there)
    letter = replace(letter, envelope=replace(letter.envelope, recipients=(recipient,)))
    around.fails_at = 1
    with pytest.raises(SpoolUnavailable):
        await settle(around, letter)
    assert around.gone == []
    await settle(around, letter)
    await settle(around, letter)
    [told] = around.letters.values()
    assert b"is no member of" in told.content
    assert around.gone == ["a@far.test"] * 2
    assert around.events == [letter.envelope.queue_id] * 3


async def test_each_copy_bears_its_members_token() -> None:
    around = Around()
    await settle(around, post(b"From: <b@far.test>\r\n\r\n", reverse_path="b@far.test"))
    tokens = {each.address: each.token for made in around.letters.values() for each in made.recipients}
    assert tokens == {f"{name}@far.test": f"t-{name}" for name in "abcd"}
    assert all(made.own_copies is not None for made in around.letters.values())
    assert all(b"List-Unsubscribe" not in made.content for made in around.letters.values())
