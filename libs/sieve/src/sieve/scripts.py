"""Names of scripts (RFC 6609 §3.2)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Location(Enum):
    """Where an included script lies."""

    PERSONAL = "personal"
    GLOBAL = "global"


@dataclass(frozen=True, slots=True)
class ScriptNamed:
    """The script with this name, as a question to the world."""

    location: Location
    name: str
