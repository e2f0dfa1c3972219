"""Which account is meant."""

from directory.adapters.accounts import Accounts
from directory.core import names
from directory.ports import AccountRecord


async def account_of(accounts: Accounts, address_or_id: str) -> AccountRecord:
    """By its address, in any spelling, or by its id. Raises Missing, DatabaseUnavailable."""
    if names.is_id(address_or_id):
        return await accounts.get_by_id(address_or_id)
    key = names.split(address_or_id)
    return await accounts.get("@".join(key) if key is not None else address_or_id)
