"""Lists that scripts look into and send to (RFC 6134): an account's address books, and mailing lists for those who are in them."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from directoryclient import Disposition, Resolution, Target
from mailmodel import AccountRef
from mda.core.ext_lists import ENTRIES, addresses_in, entry_of, list_address
from mda.core.lists import MailingList
from mda.core.sieving import carry_out
from mda.edge.ext_lists import KnownLists
from mda.edge.running import Input, Running
from sieve import Outcome, Situation, Stage, compile_script
from sieve.actions import FileInto, Keep, RedirectToList
from sieve.errors import Place
from sieve.offered import OFFERED

from tests.unit.mda.test_sieving import MAILBOXES, delivery

BOB = AccountRef("tenant", "bob")
OWNER = "bob@a.test"
BOOK = b"# friends\nAda <ada@far.test>, Eve <EVE@far.test>\r\nbob@a.test\n\nno address\nada@far.test"
CREW = MailingList("crew", "tenant", "crew@a.test", "Crew", "members", False, ("head@a.test",), ())


class Around:
    """The store, the directory and its lists: crew@ is one of the tenant, others@ of another."""

    def __init__(self) -> None:
        self.members_of_crew = {"bob@a.test", "ada@far.test"}
        self.annotations = {f"{ENTRIES}default": BOOK, f"{ENTRIES}empty": b"", "/private/comment": b"x"}

    async def get_annotations(self, account: AccountRef, mailbox_id: int) -> dict[str, bytes]:
        assert (account, mailbox_id) == (BOB, 0)
        return self.annotations

    async def resolve(self, addresses: Sequence[str]) -> list[Resolution]:
        account_id, tenant_id = {
            "crew@a.test": ("crew", "tenant"),
            "ada@a.test": ("ada", "tenant"),
            "others@b.test": ("others", "other tenant"),
        }.get(addresses[0], (None, "tenant"))
        return [Resolution(Disposition.DELIVER, (Target(addresses[0], account_id, tenant_id),))]

    async def among(self, accounts: Sequence[AccountRef]) -> dict[str, MailingList]:
        assert all(each.tenant_id == "tenant" for each in accounts)
        return {each.account_id: CREW for each in accounts if each.account_id == "crew"}

    async def members(self, mailing_list: MailingList, addresses: Sequence[str]) -> list[str]:
        return [each for each in addresses if each in self.members_of_crew]


@pytest.fixture
def around() -> Around:
    return Around()


@pytest.fixture
def lists(around: Around) -> KnownLists:
    return KnownLists(cast(Any, around), cast(Any, around), cast(Any, around))


def run(lists: KnownLists, script: str, owner: str = OWNER) -> Outcome:
    running = Running(cast(Any, None), cast(Any, None), lists)
    header = b"From: Ada <ADA@far.test>\r\nTo: bob@a.test\r\nSubject: x\r\n\r\n"

    async def body() -> bytes:
        return b""

    situation = Situation("ada@far.test", owner, datetime(2026, 11, 21, tzinfo=UTC))
    stages = [Stage("", compile_script(script.encode(), available=OFFERED))]
    return asyncio.run(running.run(BOB, stages, Input(header, len(header), body), situation))


@pytest.mark.parametrize(
    ("name", "entry"),
    [
        (":addrbook:default", f"{ENTRIES}default"),
        ("urn:ietf:params:sieve:addrbook:default", f"{ENTRIES}default"),
        (":AddrBook:Friends", f"{ENTRIES}friends"),
        (":addrbook:", None),
        (":addrbook:a/../b", None),
        ("addrbook:default", None),
        ("tag:a.test,2026:x", None),
        ("", None),
    ],
)
def test_names_of_address_books(name: str, entry: str | None) -> None:
    assert entry_of(name) == entry


def test_names_of_mailing_lists() -> None:
    names = (
        "mailto:Crew@a.test",
        "mailto:crew@a.test?subject=x",
        "mailto:",
        "crew@a.test",
        "http://a.test/@",
    )
    assert [list_address(each) for each in names] == ["crew@a.test", None, None, None, None]


def test_an_address_book_has_addresses_with_and_without_names() -> None:
    assert addresses_in(BOOK) == ["ada@far.test", "eve@far.test", "bob@a.test"]
    assert addresses_in(b"\xff\x00,,<>;:\n" * 3) == []


@pytest.mark.parametrize(
    ("name", "is_in"),
    [(":addrbook:default", True), ("mailto:crew@a.test", True), (":addrbook:empty", False)],
)
def test_a_script_asks_who_is_in_a_list(lists: KnownLists, name: str, is_in: bool) -> None:
    script = f'require ["extlists", "fileinto"]; if address :list "from" "{name}" {{ fileinto "Known"; }}'
    outcome = run(lists, script)
    assert outcome.error is None
    assert isinstance(outcome.actions[0], FileInto if is_in else Keep)


@pytest.mark.parametrize(
    ("name", "there"),
    [
        (":addrbook:default", True),
        (":addrbook:other", False),
        ("mailto:crew@a.test", True),
        ("mailto:ada@a.test", False),
        ("mailto:others@b.test", False),
        ("mailto:far@away.test", False),
    ],
)
def test_which_lists_there_are(lists: KnownLists, name: str, there: bool) -> None:
    found = run(lists, f'require "extlists"; if valid_ext_list "{name}" {{ discard; }}')
    assert isinstance(found.actions[0], Keep) is not there
    asked = run(lists, f'require "extlists"; if address :list "from" "{name}" {{ keep; }}')
    assert (asked.error is None) is there


def test_a_mailing_list_is_there_for_those_only_who_are_in_it(lists: KnownLists, around: Around) -> None:
    for owner, members, there in (
        ("carol@a.test", {"ada@far.test"}, False),
        ("carol@a.test", {"carol@a.test"}, True),
        ("head@a.test", set[str](), True),
    ):
        around.members_of_crew = members
        found = run(lists, 'require "extlists"; if valid_ext_list "mailto:crew@a.test" { discard; }', owner)
        assert isinstance(found.actions[0], Keep) is not there


def test_to_whom_a_redirect_goes(lists: KnownLists) -> None:
    def addresses(name: str) -> list[str]:
        return asyncio.run(lists.addresses(BOB, OWNER, name))

    assert addresses(":addrbook:default") == ["ada@far.test", "eve@far.test"], "not to oneself"
    # Its own rules say who may post.
    assert addresses("mailto:crew@a.test") == ["crew@a.test"]
    assert addresses(":addrbook:other") == []


@pytest.mark.parametrize(("count", "is_sent"), [(0, False), (1, True), (100, True), (101, False)])
def test_what_nobody_would_get_is_kept(count: int, is_sent: bool) -> None:
    action = RedirectToList(Place(1), "x")
    lists = {"x": [f"{number}@far.test" for number in range(count)]}
    plan = carry_out(delivery(), [action], (), MAILBOXES.get, is_looping=False, lists=lists)
    assert plan.sendings == ([action] if is_sent else [])
    assert [each.new is not None for each in plan.deliveries] == [not is_sent]
    looping = carry_out(delivery(), [action], (), MAILBOXES.get, is_looping=True, lists=lists)
    assert looping.sendings == []


@pytest.mark.parametrize(
    "value", ["ada\0@far.test", "\0", "a b@far.test", "Ada <ada@far.test>", "x" * 400 + "@far.test", ""]
)
async def test_what_is_no_address_is_no_question_for_the_directory(value: str, lists: KnownLists) -> None:
    """It may be unable to look for it, and what it does not answer makes mail wait."""

    async def members(mailing_list: MailingList, addresses: Sequence[str]) -> list[str]:
        assert addresses == [OWNER]
        return [OWNER]

    cast(Any, lists)._lists.members = members
    assert not await lists.contains(BOB, OWNER, "mailto:crew@a.test", value)
    assert list_address(f"mailto:{value}@") is None
    assert list_address("mailto:a\0@a.test") is None


def test_books_hold_addresses_only() -> None:
    assert addresses_in(b"a\0b@far.test, c\x01@far.test, d@far.test") == ["d@far.test"]
