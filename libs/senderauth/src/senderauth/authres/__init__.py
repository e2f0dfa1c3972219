"""Authentication-Results (RFC 8601): saying what was checked, and letting nobody else say it in our name."""

from senderauth.authres.model import AuthResults, MethodResult
from senderauth.authres.read import parse
from senderauth.authres.strip import forged_ranges, strip_forged
from senderauth.authres.verdicts import of_arc, of_dkim, of_dmarc, of_helo, of_iprev, of_login, of_mail_from
from senderauth.authres.write import field, payload

__all__ = [
    "AuthResults",
    "MethodResult",
    "field",
    "forged_ranges",
    "of_arc",
    "of_dkim",
    "of_dmarc",
    "of_helo",
    "of_iprev",
    "of_login",
    "of_mail_from",
    "parse",
    "payload",
    "strip_forged",
]
