"""What a check can come to, in the words of RFC 8601 §2.7."""

from enum import Enum


class Result(Enum):
    """The value is the word that stands in an Authentication-Results field."""

    NONE = "none"
    """There was nothing to check."""
    NEUTRAL = "neutral"
    """The domain says neither yes nor no, or what it says must not be held against anyone."""
    PASS = "pass"  # noqa: S105
    FAIL = "fail"
    SOFTFAIL = "softfail"
    """Probably not allowed (SPF only)."""
    TEMPERROR = "temperror"
    """DNS did not answer: the same check may come to something else later."""
    PERMERROR = "permerror"
    """What was published, or what was signed, cannot be evaluated."""
