"""What a message's octets may be, and how they travel."""

from enum import Enum


class BodyType(Enum):
    """BODY= of MAIL (RFC 6152, RFC 3030 §3)."""

    SEVEN_BIT = "7BIT"
    EIGHT_BIT = "8BITMIME"
    BINARY = "BINARYMIME"


class Transfer(Enum):
    """DATA marks the end by CRLF.CRLF; BDAT says the length before (RFC 3030 §2)."""

    DATA = "DATA"
    BDAT = "BDAT"
