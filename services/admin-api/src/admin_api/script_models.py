"""Sieve scripts of tenants and dry runs, as the OpenAPI document shows them."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field

from admin_api.models import Wire

SCRIPT = Field(max_length=1_000_000, examples=['require "fileinto";\r\nfileinto "Lists";\r\n'])


class ScriptVersion(BaseModel):
    """One version; before and after run around the users' own scripts, others may be included as :global."""

    name: str
    version: int
    active: bool
    size_octets: int
    made_at: datetime
    made_by: str


class ScriptContent(BaseModel):
    version: int
    script: str


class NewScript(Wire):
    script: Annotated[str, SCRIPT]


class MadeScript(BaseModel):
    version: int


class ActiveVersion(Wire):
    version: Annotated[int, Field(ge=0, le=2**31 - 1, description="0: none of this name runs")]


class AccountScript(BaseModel):
    """A user's own script as it is now (version 0), or as it was before it was replaced or deleted."""

    name: str
    version: int
    active: bool
    size_octets: int
    made_at: Annotated[datetime | None, Field(description="of a version")]
    replaced_at: Annotated[datetime | None, Field(description="of a version")]


class RestoredVersion(Wire):
    version: Annotated[int, Field(ge=1, le=2**31 - 1)]


class Trial(Wire):
    """What to try: a script, or the scripts that run for an account, with a message."""

    script: Annotated[
        str, Field(max_length=1_000_000, description="empty: those that run for the account")
    ] = ""
    account: Annotated[
        str,
        Field(
            max_length=320, description="whose mailboxes there are: an address or an id; empty: INBOX only"
        ),
    ] = ""
    message: Annotated[str, Field(max_length=1_000_000, examples=["Subject: hello\r\n\r\ntext\r\n"])]
    sender: Annotated[str, Field(max_length=320, description="the reverse-path")] = ""
    recipient: Annotated[str, Field(max_length=320)] = ""


class TrialStep(BaseModel):
    """Something that would be done, and the line that caused it; line 0: the implicit keep."""

    kind: str
    detail: str
    line: int
    script: str


class TrialOutcome(BaseModel):
    steps: list[TrialStep]
    error: str
