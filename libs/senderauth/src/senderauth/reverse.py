"""From an address to names that are really its own: PTR, then A or AAAA of what it says (RFC 7208 §5.5, RFC 8601 §3).

At most 11 questions.
"""

from dataclasses import dataclass
from ipaddress import IPv4Address

from senderauth.dns import Answers, NoAnswer, RecordType, Resolve, TempError
from senderauth.names import Address, is_name, normal_name, same_address

MAX_NAMES = 10
"""PTR records looked at; the rest is left alone (RFC 7208 §4.6.4)."""


@dataclass(frozen=True, slots=True)
class ReverseNames:
    """`claimed` is what PTR says (without what is no name), `confirmed` those of them that lead back."""

    claimed: tuple[str, ...] = ()
    confirmed: tuple[str, ...] = ()
    failures: int = 0
    """How many questions got no reliable answer."""
    is_void: bool = False
    """DNS says that there is no PTR record."""


def address_type(address: Address) -> RecordType:
    """The type of record that holds such an address."""
    return RecordType.A if isinstance(address, IPv4Address) else RecordType.AAAA


async def reverse_names(resolve: Resolve, address: Address) -> ReverseNames:
    """Names of the address, in the order of the answer."""
    answer = await resolve(address.reverse_pointer, RecordType.PTR)
    if isinstance(answer, TempError):
        return ReverseNames(failures=1)
    if isinstance(answer, NoAnswer):
        return ReverseNames(is_void=True)
    claimed = tuple(
        dict.fromkeys(name for name in map(normal_name, answer.records[:MAX_NAMES]) if is_name(name))
    )
    confirmed = []
    failures = 0
    for name in claimed:
        addresses = await resolve(name, address_type(address))
        if isinstance(addresses, TempError):
            failures += 1
        elif isinstance(addresses, Answers) and any(
            same_address(each, address) for each in addresses.records
        ):
            confirmed.append(name)
    return ReverseNames(claimed, tuple(confirmed), failures)
