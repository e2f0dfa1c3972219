"""What goes in and out, as the OpenAPI document shows it."""

from datetime import datetime
from typing import Annotated, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, SecretStr

T = TypeVar("T")
ADDRESS = "alice@example.test"
TenantName = Annotated[
    str, Field(description="its name, or its id where a tenant is named", examples=["demo"])
]
# How long it must be is the directory's to say, in a sentence of its own.
Password = Annotated[SecretStr, Field(description="at least 8 characters, at most 1024 octets")]
Confusable = Annotated[
    bool, Field(description="also where it looks like another address of the domain (Unicode TS #39)")
]
Address = Annotated[str, Field(max_length=320, examples=[ADDRESS])]


class Wire(BaseModel):
    """Unknown fields are refused: a typing error must not pass for a wish."""

    model_config = ConfigDict(extra="forbid")


Role = Literal["administrator", "auditor"]
Roles = Annotated[
    list[Role],
    Field(
        description="what it may do here: an administrator orders what is its tenant's, an auditor looks at it"
    ),
]


class Tenant(BaseModel):
    """A customer of the platform: domains, accounts and mail that nobody else sees."""

    tenant_id: str
    name: str
    display_name: str
    suspended: bool
    created_at: datetime


class NewTenant(Wire):
    name: Annotated[str, Field(description="1 to 63 of a-z, 0-9 and -", examples=["demo"], max_length=63)]
    display_name: Annotated[str, Field(max_length=200, examples=["Demo Ltd"])] = ""


class TenantChange(Wire):
    """What is left out stays as it is."""

    display_name: Annotated[str | None, Field(max_length=200)] = None
    suspended: Annotated[bool | None, Field(description="no mail, no login while true")] = None


class Domain(BaseModel):
    """A domain whose mail comes here."""

    name: str
    tenant: str
    tenant_id: str
    suspended: bool
    created_at: datetime


class NewDomain(Wire):
    name: Annotated[str, Field(max_length=253, examples=["example.org"])]
    tenant: TenantName
    even_if_confusable: Annotated[
        bool, Field(description="also where it looks like another domain that is here (Unicode TS #39)")
    ] = False


class DomainChange(Wire):
    suspended: bool | None = None


class Account(BaseModel):
    """Somebody who has mailboxes and may log in."""

    account_id: str
    address: str
    tenant: str
    tenant_id: str
    display_name: str
    suspended: bool
    suspended_by_operator: bool = False
    suspended_by_tenant: bool = False
    store: str
    created_at: datetime
    shared: Annotated[bool, Field(description="nobody's own: several people share its mailboxes")] = False
    roles: list[str] = Field(default_factory=list)


class NewAccount(Wire):
    address: Address
    password: Password
    display_name: Annotated[str, Field(max_length=200, examples=["Alice"])] = ""
    even_if_confusable: Confusable = False
    roles: Annotated[Roles, Field(default_factory=list)]


class AccountChange(Wire):
    """What is left out stays as it is."""

    display_name: Annotated[str | None, Field(max_length=200)] = None
    suspended: Annotated[
        bool | None,
        Field(
            description="no mail, no login while true; by whoever asks, the operator or the tenant: neither lifts what "
            "the other has suspended"
        ),
    ] = None
    suspended_by_tenant: Annotated[
        bool | None, Field(description="for an operator who lifts what the tenant has suspended")
    ] = None
    password: Password | None = None
    roles: Roles | None = None


class Alias(BaseModel):
    """An address whose mail goes to other addresses, ours or remote."""

    address: str
    targets: list[str]
    tenant: str
    tenant_id: str
    created_at: datetime


Targets = Annotated[list[Address], Field(min_length=1, max_length=100, examples=[[ADDRESS]])]


class NewAlias(Wire):
    address: Annotated[str, Field(max_length=320, examples=["team@example.test"])]
    targets: Targets
    even_if_confusable: Confusable = False


class AliasChange(Wire):
    targets: Targets


class Page(BaseModel, Generic[T]):
    """Part of a list. `next_page` is empty at its end; give it back as `page` for more."""

    items: list[T]
    next_page: str = ""


class Problem(BaseModel):
    """What went wrong (RFC 9457)."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str


class Who(BaseModel):
    """Who asks. The operator has no address and no tenant."""

    address: str
    tenant_id: str
    roles: list[str] = Field(examples=[["administrator"]])


class Health(BaseModel):
    """Whether the platform behind this API answers."""

    status: str = Field(examples=["ready"])
    unwell: dict[str, str]
