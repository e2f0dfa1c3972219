"""Whose rule is meant, and the line that says who changed it."""

import json
from typing import Any
from uuid import UUID

from pgkit import Connection

from mta_queue.adapters.filtering import tenant_uuid
from mta_queue.core.item_filter import FilterInvalid
from mta_queue.core.records import Caller


def tenant_meant(caller: Caller, tenant_id: str) -> UUID | None:
    """The tenant that an order is about; None: all of them. Raises FilterInvalid."""
    if caller.tenant_id and tenant_id not in ("", caller.tenant_id):
        raise FilterInvalid("there is no such tenant")
    chosen = tenant_id or caller.tenant_id
    return tenant_uuid(chosen) if chosen else None


async def audit(
    connection: Connection,
    caller: Caller,
    tenant: UUID | None,
    what: dict[str, str],
    action: str,
    reason: str,
    change: dict[str, Any],
) -> None:
    """`what` names the thing that was changed, beside its tenant."""
    values = {"tenant_id": str(tenant or ""), **what}
    await connection.execute(
        """INSERT INTO queue_audit (tenant_id, actor, client_address, action, reason, filter, change)
           VALUES ($1, $2, $3, $4, $5, $6::jsonb, $7::jsonb)""",
        tenant,
        caller.actor,
        caller.client_address,
        action,
        reason,
        json.dumps({name: value for name, value in values.items() if value}),
        json.dumps({"action": action, **change}),
    )
