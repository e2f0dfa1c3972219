"""Settings of the operator's hooks (part of the gateway's Settings, same prefix)."""

from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

Stage = Literal["connect", "mail", "rcpt", "data"]


class HookSetting(BaseModel):
    """One hook."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str = Field(
        description="milter://host:port, milter:///path/of/socket, http://host:port/path or https://..."
    )
    doors: frozenset[Literal["mx", "msa"]] = Field(frozenset(("mx",)), min_length=1)
    seconds: float = Field(10.0, description="for each stage", gt=0, le=300)
    when_away: Literal["refuse", "accept"] = Field(
        "refuse", description="without a usable answer: 451 for all, or as if there were no hook"
    )
    stages: frozenset[Stage] = Field(
        frozenset(("data",)), description="of an HTTP hook; a milter says itself what it wants", min_length=1
    )
    content: bool = Field(False, description="whether an HTTP hook is sent the whole message")
    token_file: Path | None = Field(None, description="a file with the bearer token for an HTTP hook")

    @field_validator("url")
    @classmethod
    def _is_one(cls, url: str) -> str:
        place = urlsplit(url)
        if place.scheme == "milter" and ((place.hostname and place.port) or place.path):
            return url
        if place.scheme in ("http", "https") and place.hostname:
            return url
        raise ValueError("a hook is milter://host:port, milter:///path, http://... or https://...")


class HookSettings(BaseModel):
    """All of them, asked in this order."""

    hooks: tuple[HookSetting, ...] = Field((), description='JSON, e.g. [{"url": "milter://127.0.0.1:11332"}]')
