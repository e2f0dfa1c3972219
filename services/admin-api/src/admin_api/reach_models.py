"""What goes in and out about shaping, suppressed addresses and webhooks, as the OpenAPI document shows it."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, Field

from admin_api.models import Wire

Limit = Annotated[int, Field(ge=0, le=1_000_000, description="0: no limit")]
Tenant = Annotated[str, Field(description="its name or id", max_length=100)]
EventType = Literal[
    "queued",
    "attempted",
    "delivered",
    "deferred",
    "bounced",
    "suppressed",
    "complained",
    "new_device",
    "suspicious_login",
]
Cause = Literal["", "hard-bounce", "complaint", "manual"]


class Reaction(Wire):
    """A reply in which the pattern (RE2, in any case) is found stops its site for so long."""

    pattern: Annotated[str, Field(min_length=1, max_length=300, examples=[r"^421[ -]4\.7\."])]
    action: Annotated[
        Literal["back-off", "suspend"],
        Field(description="back-off: a pause, twice as long each time, up to an hour"),
    ]
    seconds: Annotated[float, Field(gt=0, le=30 * 86_400)]


class NewShape(Wire):
    """A rule; a tenant's goes before the installation's, and the narrower before the wider."""

    tenant: Annotated[Tenant, Field(description="empty: the installation's")] = ""
    matches: Annotated[
        str,
        Field(
            description="domain:NAME, mx:NAME (all domains whose MX hosts are that name or below it), or *",
            max_length=300,
        ),
    ]
    connections: Limit = 0
    messages_a_connection: Limit = 0
    messages_a_minute: Limit = 0
    messages_an_hour: Limit = 0
    reactions: Annotated[list[Reaction], Field(default_factory=list, max_length=50)]


class Shape(NewShape):
    """A rule as it is."""

    tenant_id: str


class NewSuppression(Wire):
    """An address that a tenant's mail goes to no more."""

    tenant: Tenant
    address: Annotated[str, Field(max_length=320)]
    detail: Annotated[str, Field(description="why", max_length=500)] = ""
    expires_at: AwareDatetime | None = None


class Suppression(BaseModel):
    """As it is on the list."""

    tenant: str
    tenant_id: str
    address: str
    cause: Annotated[str, Field(examples=["hard-bounce", "complaint", "manual"])]
    detail: str
    queue_id: Annotated[str, Field(description="the message that it came of")]
    created_at: datetime
    expires_at: datetime | None


class NewWebhook(Wire):
    """Who is told what happens to a tenant's mail: POST, signed with HMAC-SHA256."""

    tenant: Tenant
    url: Annotated[str, Field(description="https, the usual port, a name", max_length=1000)]
    events: Annotated[list[EventType], Field(description="none: all", default_factory=list, max_length=20)]


class Webhook(BaseModel):
    """As it is."""

    webhook_id: str
    tenant: str
    tenant_id: str
    url: str
    events: list[str]
    created_at: datetime
    failures: Annotated[int, Field(description="in a row")]
    last_error: str
    next_at: Annotated[datetime, Field(description="not asked before")]
    waiting: int
    dead: Annotated[int, Field(description="events that were given up")]


class MadeWebhook(Webhook):
    """With its secret, which is told this once."""

    secret: str


class DeadEvent(BaseModel):
    """One that could not be told."""

    delivery_id: int
    event: dict[str, Any]
    attempts: int
    dead_at: datetime
    last_error: str


class ToldAgain(BaseModel):
    """How many events are told again."""

    events: int
