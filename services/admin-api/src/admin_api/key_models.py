"""Keys of tenants, as the OpenAPI document shows them. A key itself is never shown."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field

from admin_api.models import Wire


class TenantKey(BaseModel):
    """A key that bodies of a tenant are, or were, encrypted with."""

    version: Annotated[int, Field(ge=1)]
    encrypts: Annotated[bool, Field(description="new bodies are encrypted with it; the others only decrypt")]
    wrapped_with: Annotated[str, Field(description="the key-encryption key; empty where it was deleted")]
    created_at: datetime
    deleted_at: datetime | None = None


class Deletion(Wire):
    confirm_name: Annotated[
        str,
        Field(description="the tenant's name once more: what was encrypted is lost for ever", max_length=63),
    ]


class Deleted(BaseModel):
    deleted: Annotated[int, Field(description="keys that are gone now")]


class KeyUse(BaseModel):
    wrapped_with: str
    keys: int


class Wrapping(BaseModel):
    """Which key-encryption keys wrap tenants' keys."""

    current: Annotated[str, Field(description="the one that wraps what is made or rewrapped from now on")]
    uses: list[KeyUse]


class Rewrapped(BaseModel):
    rewrapped: int
    unopened: Annotated[int, Field(description="those whose key-encryption key is not here any more")]
