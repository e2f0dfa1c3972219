"""imap's own connections in memory, on the real store."""

from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any
from uuid import NAMESPACE_URL, uuid4, uuid5

import pytest
from directoryclient import Identity
from directoryclient.sharing import Person
from mailmodel import AccountRef
from mailmodel.quota import QuotaLimits
from mailstore import MailboxChange, MailStore

from tests.support.engines import Engines
from tests.support.imap_memory import PASSWORD, Imap


class Town:
    """Two tenants; everybody has the password. `town.members`: who is in which group."""

    def __init__(self) -> None:
        self._seed = str(uuid4())
        self.members: dict[str, list[str]] = {}
        self.shared: set[str] = set()
        self.suspended: set[str] = set()
        self.limits: dict[str, QuotaLimits] = {}
        self._known: dict[str, str] = {}

    def _uuid(self, name: str) -> str:
        return str(uuid5(NAMESPACE_URL, f"{self._seed} {name}"))

    def account(self, address: str) -> AccountRef:
        ref = AccountRef(self._uuid(address.rpartition("@")[2]), self._uuid(address))
        self._known[ref.account_id] = address
        return ref

    async def authenticate(self, login: str, password: str, client_address: str) -> Identity | None:
        address = login if "@" in login else f"{login}@a.test"
        return Identity(self.account(address), address, "store") if password == PASSWORD else None

    def _person(self, address: str) -> Person:
        groups = tuple(group for group, members in self.members.items() if address in members)
        account_id = self.account(address).account_id
        return Person(account_id, address, address in self.shared, address in self.suspended, groups)

    async def by_id(self, tenant_id: str, account_ids: Iterable[str]) -> dict[str, Person]:
        found = {}
        for each in account_ids:
            address = self._known.get(each)
            if address is not None and self.account(address).tenant_id == tenant_id:
                found[each] = self._person(address)
        return found

    async def by_address(self, tenant_id: str, address: str) -> Person | None:
        address = address.lower()
        if address not in self._known.values() or self.account(address).tenant_id != tenant_id:
            return None
        return self._person(address)

    async def quota_limits(self, accounts: Iterable[AccountRef]) -> dict[str, QuotaLimits]:
        return {
            a.account_id: self.limits[self._known[a.account_id]]
            for a in accounts
            if self._known.get(a.account_id) in self.limits
        }


@pytest.fixture
def town() -> Town:
    return Town()


@pytest.fixture
def server(engines: Engines, town: Town) -> Iterator[Callable[..., Imap]]:
    """Makes servers on the real store."""
    running: list[Imap] = []

    def make(**settings: Any) -> Imap:
        def store(tell: Callable[[MailboxChange], None]) -> Awaitable[MailStore]:
            return MailStore.open(
                engines.dsn("store", "app"),
                engines.seaweed.store(),
                tell,
                pool_size=2,
                limits=town.quota_limits,
            )

        running.append(Imap(store=store, directory=town, people=town, **settings))
        return running[-1]

    yield make
    for imap in running:
        imap.wait_for(imap.store.close())
        imap.close()


@pytest.fixture
def imap(server: Callable[..., Imap]) -> Imap:
    return server()
