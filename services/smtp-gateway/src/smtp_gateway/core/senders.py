"""Accounts that may not send: since when and why. And what a tenant chose of limits."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum

from directoryclient.policies import TenantPolicy

from smtp_gateway.core.limits import Chosen, Limited


class SuspendedBy(Enum):
    """Who suspended an account's sending."""

    LIMITS = "limits"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Suspension:
    """Of one account."""

    account_id: str
    address: str
    tenant_id: str
    by: SuspendedBy
    reason: str
    since: datetime


def encode(suspension: Suspension) -> bytes:
    """For the ledger, under the account's id; and for those who watch."""
    return json.dumps(
        {
            "account_id": suspension.account_id,
            "address": suspension.address,
            "tenant_id": suspension.tenant_id,
            "by": suspension.by.value,
            "reason": suspension.reason,
            "since": suspension.since.timestamp(),
        }
    ).encode()


def decode(value: bytes) -> Suspension:
    """Raises ValueError on what is none of ours."""
    try:
        told = json.loads(value)
        return Suspension(
            account_id=str(told["account_id"]),
            address=str(told["address"]),
            tenant_id=str(told["tenant_id"]),
            by=SuspendedBy(told["by"]),
            reason=str(told["reason"]),
            since=datetime.fromtimestamp(told["since"], UTC),
        )
    except (TypeError, KeyError, OverflowError, OSError, RecursionError) as error:
        raise ValueError(f"that is no suspension: {error}") from error


def chosen_limits(policy: TenantPolicy) -> Chosen:
    """What the tenant chose; 0 is: as the installation has it."""
    return {
        Limited.ACCOUNT_MESSAGES: policy.max_account_messages_per_hour,
        Limited.ACCOUNT_MESSAGES_DAILY: policy.max_account_messages_per_day,
        Limited.ACCOUNT_RECIPIENTS: policy.max_account_recipients_per_hour,
        Limited.ACCOUNT_RECIPIENTS_DAILY: policy.max_account_recipients_per_day,
        Limited.TENANT_MESSAGES: policy.max_tenant_messages_per_hour,
        Limited.TENANT_MESSAGES_DAILY: policy.max_tenant_messages_per_day,
        Limited.TENANT_RECIPIENTS: policy.max_tenant_recipients_per_hour,
        Limited.TENANT_RECIPIENTS_DAILY: policy.max_tenant_recipients_per_day,
    }
