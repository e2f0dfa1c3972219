"""The mta-queue's part in whom mail reaches, over gRPC, in and out of the models."""

import json
from datetime import UTC
from typing import Any

import grpc
from mailwire.queue.v1 import reach_pb2 as wire
from mailwire.queue.v1.reach_pb2_grpc import ReachAdminServiceStub

from admin_api import reach_models as models

ACTIONS = {
    "back-off": wire.REACTION_ACTION_BACK_OFF,
    "suspend": wire.REACTION_ACTION_SUSPEND,
}
ACTION_BACK = {number: name for name, number in ACTIONS.items()}


def stub(channel: grpc.aio.Channel) -> ReachAdminServiceStub:
    """What the routes call."""
    return ReachAdminServiceStub(channel)


def new_shape(new: models.NewShape, tenant_id: str) -> wire.Shape:
    """The tenant is its id here."""
    return wire.Shape(
        tenant_id=tenant_id,
        matches=new.matches,
        connections=new.connections,
        messages_a_connection=new.messages_a_connection,
        messages_a_minute=new.messages_a_minute,
        messages_an_hour=new.messages_an_hour,
        reactions=[
            wire.Reaction(pattern=each.pattern, action=ACTIONS[each.action], seconds=each.seconds)
            for each in new.reactions
        ],
    )


def shape(message: wire.Shape, names: dict[str, str]) -> models.Shape:
    """Tenants by name, as far as it is known."""
    return models.Shape.model_validate(
        {
            "tenant": names.get(message.tenant_id, ""),
            "tenant_id": message.tenant_id,
            "matches": message.matches,
            "connections": message.connections,
            "messages_a_connection": message.messages_a_connection,
            "messages_a_minute": message.messages_a_minute,
            "messages_an_hour": message.messages_an_hour,
            "reactions": [
                {"pattern": each.pattern, "action": ACTION_BACK[each.action], "seconds": each.seconds}
                for each in message.reactions
            ],
        }
    )


def suppression(message: wire.Suppression, names: dict[str, str]) -> models.Suppression:
    return models.Suppression(
        tenant=names.get(message.tenant_id, ""),
        tenant_id=message.tenant_id,
        address=message.address,
        cause=message.cause,
        detail=message.detail,
        queue_id=message.queue_id,
        created_at=message.created_at.ToDatetime(UTC),
        expires_at=message.expires_at.ToDatetime(UTC) if message.HasField("expires_at") else None,
    )


def webhook(message: wire.Webhook, names: dict[str, str]) -> models.Webhook:
    return models.Webhook(**_webhook(message, names))


def made_webhook(message: wire.Webhook, secret: str, names: dict[str, str]) -> models.MadeWebhook:
    return models.MadeWebhook(**_webhook(message, names), secret=secret)


def _webhook(message: wire.Webhook, names: dict[str, str]) -> dict[str, Any]:
    return {
        "webhook_id": message.webhook_id,
        "tenant": names.get(message.tenant_id, ""),
        "tenant_id": message.tenant_id,
        "url": message.url,
        "events": list(message.events),
        "created_at": message.created_at.ToDatetime(UTC),
        "failures": message.failures,
        "last_error": message.last_error,
        "next_at": message.next_at.ToDatetime(UTC),
        "waiting": message.waiting,
        "dead": message.dead,
    }


def dead_event(message: wire.DeadEvent) -> models.DeadEvent:
    return models.DeadEvent(
        delivery_id=message.delivery_id,
        event=json.loads(message.event),
        attempts=message.attempts,
        dead_at=message.dead_at.ToDatetime(UTC),
        last_error=message.last_error,
    )
