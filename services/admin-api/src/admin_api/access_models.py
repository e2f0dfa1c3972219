"""Who may enter, as the OpenAPI document shows it."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, Field

from admin_api.models import Wire

Scope = Literal["smtp", "imap", "pop3", "sieve", "jmap", "admin"]


class AppPassword(BaseModel):
    """A password of one program of an account, good for some doors only."""

    app_password_id: str
    name: str
    scopes: list[str]
    created_at: datetime
    expires_at: Annotated[datetime | None, Field(description="null: it does not expire")]
    last_used_at: Annotated[datetime | None, Field(description="null: it was never used")]
    last_used_service: str
    last_used_address: str


class NewAppPassword(Wire):
    name: Annotated[str, Field(description="unique within the account", max_length=100, examples=["phone"])]
    scopes: Annotated[
        list[Scope],
        Field(
            description="the doors that it opens; none given: all but admin",
            max_length=10,
            examples=[["imap", "smtp"]],
            default_factory=list,
        ),
    ]
    expires_at: Annotated[AwareDatetime | None, Field(description="left out: it does not expire")] = None


class MadeAppPassword(AppPassword):
    """The only answer that ever shows the password."""

    password: Annotated[str, Field(examples=["abcd-efgh-ijkl-mnop-qrst-uvwx"])]


class LoginLimit(BaseModel):
    """Failed logins that still count: of one account from one address prefix, or of a whole prefix."""

    account: Annotated[
        str, Field(description="empty: of the whole prefix, or of a login that does not exist")
    ]
    prefix: Annotated[str, Field(examples=["192.0.2.1/32", "2001:db8::/64"])]
    whole_prefix: bool
    failures: int
    failed_at: datetime
    blocked_until: Annotated[datetime | None, Field(description="null: nobody waits")]


class Lifted(BaseModel):
    """How many tallies were forgotten."""

    lifted: int


class SignIn(BaseModel):
    """Somebody came into the account or tried; what is the same within an hour is one entry."""

    service: Annotated[str, Field(examples=["imap"])]
    address: str
    outcome: Annotated[
        str,
        Field(description="granted, denied, throttled, or challenged: the second factor was still to come"),
    ]
    first_at: datetime
    last_at: datetime
    times: int
    new_device: Annotated[bool, Field(description="nobody had come in from that address prefix lately")]
    suspicious: Annotated[bool, Field(description="it followed much guessing")]
