"""Answers what scripts ask of lists (RFC 6134): an account's own address books, and mailing lists of its tenant.

A mailing list is there for its members and owners only: a script is no way to find out who is in another's. What is
redirected to it goes to its address, so that its own rules say who may post.
"""

from typing import Protocol

from directoryclient import DirectoryClient
from mailmodel import AccountRef
from mailstore import MailStore
from sieve.addresses import is_address

from mda.core.events import OF_ACCOUNT
from mda.core.ext_lists import addresses_in, entry_of, list_address
from mda.core.lists import MailingList
from mda.ports import MailingLists


class ExtLists(Protocol):
    """`owner` is the script's owner's address. All raise directoryclient.Unavailable, StoreUnavailable."""

    async def exists(self, account: AccountRef, owner: str, name: str) -> bool:
        """Whether there is a list with this name for this account."""

    async def contains(self, account: AccountRef, owner: str, name: str, value: str) -> bool:
        """Whether the list holds an address."""

    async def addresses(self, account: AccountRef, owner: str, name: str) -> list[str]:
        """To whom a redirect to the list goes; nobody: there is no such list, or nobody in it."""


class KnownLists:
    """Satisfies ExtLists."""

    def __init__(self, mailboxes: MailStore, directory: DirectoryClient, lists: MailingLists) -> None:
        self._mailboxes = mailboxes
        self._directory = directory
        self._lists = lists

    async def exists(self, account: AccountRef, owner: str, name: str) -> bool:
        if (entry := entry_of(name)) is not None:
            return await self._book(account, entry) is not None
        return await self._list(account, owner, name) is not None

    async def contains(self, account: AccountRef, owner: str, name: str, value: str) -> bool:
        value = value.strip().lower()
        if (entry := entry_of(name)) is not None:
            return value in addresses_in(await self._book(account, entry) or b"")
        # What strangers write is no question for the directory: where it could not even be asked, mail would wait for ever.
        if not is_address(value):
            return False
        found = await self._list(account, owner, name)
        return found is not None and bool(await self._lists.members(found, [value]))

    async def addresses(self, account: AccountRef, owner: str, name: str) -> list[str]:
        if (entry := entry_of(name)) is not None:
            found = addresses_in(await self._book(account, entry) or b"")
            return [each for each in found if each != owner.lower()]
        mailing_list = await self._list(account, owner, name)
        return [] if mailing_list is None else [mailing_list.address]

    async def _book(self, account: AccountRef, entry: str) -> bytes | None:
        return (await self._mailboxes.get_annotations(account, OF_ACCOUNT)).get(entry)

    async def _list(self, account: AccountRef, owner: str, name: str) -> MailingList | None:
        address = list_address(name)
        if address is None:
            return None
        [resolution] = await self._directory.resolve([address])
        accounts = [
            AccountRef(target.tenant_id, target.account_id)
            for target in resolution.targets
            if target.account_id is not None and target.tenant_id == account.tenant_id
        ]
        for mailing_list in (await self._lists.among(accounts)).values():
            owners = {each.lower() for each in mailing_list.owners}
            if owner.lower() in owners or await self._lists.members(mailing_list, [owner.lower()]):
                return mailing_list
        return None
