"""iprev: does the client's address have a name that leads back to it (RFC 8601 §3)? At most 11 questions."""

from dataclasses import dataclass

from senderauth.dns import Resolve
from senderauth.names import Address
from senderauth.result import Result
from senderauth.reverse import reverse_names


@dataclass(frozen=True, slots=True)
class IprevResult:
    """PASS, FAIL (there are names, none leads back), PERMERROR (there is no name) or TEMPERROR.

    `name` is the first name that leads back, empty without one; it may stand in a Received field.
    """

    result: Result
    address: Address
    name: str = ""
    reason: str = ""


async def check_iprev(resolve: Resolve, address: Address) -> IprevResult:
    """Forward-confirmed reverse DNS."""
    names = await reverse_names(resolve, address)
    if names.confirmed:
        return IprevResult(Result.PASS, address, names.confirmed[0])
    if names.failures:
        return IprevResult(Result.TEMPERROR, address, reason="no answer from DNS")
    if not names.claimed:
        return IprevResult(Result.PERMERROR, address, reason="the address has no name")
    return IprevResult(Result.FAIL, address, reason=f"{names.claimed[0]} does not lead back")
