"""What an Authentication-Results field says (RFC 8601 §2.2)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MethodResult:
    """One resinfo: `method=result reason=... ptype.property=value ...`.

    `properties` in order, each ("smtp.mailfrom", "a@example.com").
    """

    method: str
    result: str
    properties: tuple[tuple[str, str], ...] = ()
    reason: str = ""

    def property(self, name: str) -> str:
        """The first property with this name, or empty."""
        return next((value for known, value in self.properties if known == name), "")


@dataclass(frozen=True, slots=True)
class AuthResults:
    """A field: whose verdicts they are, and the verdicts."""

    authserv_id: str
    results: tuple[MethodResult, ...] = ()
