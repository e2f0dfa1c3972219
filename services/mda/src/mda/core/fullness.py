"""How full is full: who is warned, and what doors are told of an account's room."""

from mailmodel import Quota

# Percent of what the account may keep; each is told once in WARNED_SECONDS.
WARN_AT = (80, 95)
WARNED_SECONDS = 7 * 24 * 3600
# Doors are told of accounts that are as full as this.
TELL_AT = 90
# No message is smaller than this by the time that it is filed.
SMALLEST = 512
SUBJECT = "Your mailbox is nearly full"
UNITS = ("KiB", "MiB", "GiB", "TiB")


def warning_of(quota: Quota) -> int | None:
    """The highest threshold that is reached."""
    return max((each for each in WARN_AT if quota.used_percent >= each), default=None)


def told_room(quota: Quota) -> int | None:
    """Octets that still fit, rounded up to a power of two so that not each message is news; None: doors need not know."""
    free, limits = quota.free_octets, quota.limits
    if free is None:
        return None
    if free < SMALLEST:
        return 0
    pool_percent = quota.tenant_used_octets * 100 // limits.tenant_octets if limits.tenant_octets else 0
    return 1 << free.bit_length() if max(quota.used_percent, pool_percent) >= TELL_AT else None


def size_of(octets: int) -> str:
    """For people."""
    size = octets / 1024
    for unit in UNITS[:-1]:
        if size < 1024:
            return f"{size:.0f} {unit}"
        size /= 1024
    return f"{size:.1f} {UNITS[-1]}"


def words(quota: Quota) -> str:
    """The text of a warning."""
    limits = quota.limits
    said = [f"Your mailbox is {quota.used_percent} % full:", ""]
    if limits.octets:
        said.append(f"  {size_of(quota.used_octets)} of {size_of(limits.octets)}")
    if limits.messages:
        said.append(f"  {quota.used_messages} of {limits.messages} messages")
    said += ["", "When it is full, new mail goes back to its senders. Please delete what you no longer need."]
    return "\n".join(said) + "\n"
