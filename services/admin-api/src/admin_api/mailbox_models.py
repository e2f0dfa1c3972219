"""Mailboxes and the rights to them, as the OpenAPI document shows them."""

from typing import Annotated

from pydantic import BaseModel, Field

from admin_api.models import Address, Confusable, Wire

ADDRESS_OR_ID = "the account's address or id"
Name = Annotated[str, Field(max_length=1000, description="its name in the account", examples=["INBOX"])]


class NewShared(Wire):
    address: Address
    display_name: Annotated[str, Field(max_length=200, examples=["Sales"])] = ""
    even_if_confusable: Confusable = False


class Mailbox(BaseModel):
    """A mailbox of an account, and who beside the owner may do what (RFC 4314)."""

    name: str
    messages: int
    unseen: int
    size_octets: int
    rights: dict[str, str]


class NewMailbox(Wire):
    account: Annotated[str, Field(description=ADDRESS_OR_ID, max_length=320)]
    name: Name


class RightsChange(Wire):
    account: Annotated[str, Field(description=ADDRESS_OR_ID, max_length=320)]
    name: Annotated[str, Field(max_length=1000, description="empty: all mailboxes of the account")] = ""
    identifier: Annotated[
        str,
        Field(
            max_length=330,
            description="an account's address, `anyone`, or `$` and an alias's address for all it leads to; "
            "with `-` before it, it takes away",
            examples=["alice@example.test", "$sales@example.test"],
        ),
    ]
    rights: Annotated[
        str,
        Field(
            max_length=20,
            description="letters of RFC 4314; `+` or `-` before them adds or removes; empty: none",
            examples=["lrswi", "+te"],
        ),
    ]


class Rights(BaseModel):
    """As they are now."""

    rights: str
