"""Who is not let in, and who may not send, as the OpenAPI document shows it."""

from datetime import datetime
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, Field

from admin_api.models import Wire


class Ban(BaseModel):
    """A network whose connections the front door refuses."""

    network: Annotated[str, Field(examples=["192.0.2.7/32"])]
    made_by: Annotated[str, Field(description="offences (port 25 only) or operator (all doors)")]
    reason: str
    since: datetime
    until: Annotated[datetime | None, Field(description="null: it has no end")]
    times: Annotated[int, Field(description="which ban of this network it is; each is longer than the last")]


class NewBan(Wire):
    network: Annotated[
        str,
        Field(
            description="an address or a network in CIDR notation", max_length=64, examples=["192.0.2.0/24"]
        ),
    ]
    reason: Annotated[str, Field(max_length=500, examples=["sends spam all day"])]
    until: Annotated[AwareDatetime | None, Field(description="left out: it has no end")] = None


class LiftedBans(BaseModel):
    """How many bans there were of just this network."""

    lifted: int


class SuspendedSender(BaseModel):
    """An account that may not send; it is read and receives as ever."""

    account_id: str
    address: str
    tenant_id: str
    made_by: Annotated[str, Field(description="limits or operator")]
    reason: str
    since: datetime


class NewSuspendedSender(Wire):
    account: Annotated[str, Field(description="the account's address", max_length=320)]
    reason: Annotated[str, Field(max_length=500)]
