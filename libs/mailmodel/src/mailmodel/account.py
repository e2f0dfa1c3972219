"""Whose a mailbox is."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AccountRef:
    """An account within its tenant; both are UUIDs in text form."""

    tenant_id: str
    account_id: str
