"""All addresses of accounts, delegates, deleted accounts and routing, as the OpenAPI document shows them."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from admin_api.models import ADDRESS, Address, Confusable, Wire

Right = Literal["send_as", "send_on_behalf"]


class AccountAddress(BaseModel):
    """An address of an account: its mail and its logins come by it."""

    address: str
    primary: bool
    created_at: datetime


class NewAddress(Wire):
    address: Address
    even_if_confusable: Confusable = False


class PrimaryAddress(Wire):
    address: Annotated[str, Field(max_length=320, description="one that the account has", examples=[ADDRESS])]


class Delegation(BaseModel):
    """Somebody who may send for an address."""

    address: str
    delegate: str
    right: Right
    created_at: datetime


class NewDelegation(Wire):
    address: Annotated[
        str, Field(max_length=320, description="of an account or an alias", examples=["office@example.test"])
    ]
    delegate: Annotated[
        str, Field(max_length=320, description="an account's address or id", examples=[ADDRESS])
    ]
    right: Annotated[
        Right, Field(description="as if it were the delegate's own; or with the delegate in Sender")
    ]


class DeletedAccount(BaseModel):
    """An account that can be restored until its days are over."""

    account_id: str
    tenant: str
    display_name: str
    addresses: Annotated[list[str], Field(description="what it had; others may have them meanwhile")]
    deleted_at: datetime
    kept_until: datetime


class DomainRouting(Wire):
    """Where mail of a domain goes that no address of its own is for."""

    alias_of: Annotated[
        str,
        Field(max_length=253, description="another domain of the tenant: its addresses are good here too"),
    ] = ""
    catch_all: Annotated[
        list[Address],
        Field(
            max_length=100,
            description="where mail goes that is for nobody; none: it is refused",
            default_factory=list,
        ),
    ]
