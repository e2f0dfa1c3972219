"""Codes of the second step: TOTP (RFC 6238) and recovery codes. Time is an argument."""

import hashlib
import hmac
import re
import secrets
from datetime import datetime

import pyotp

STEP_SECONDS = 30
# A clock may be half a minute off (RFC 6238 §5.2).
STEPS_AROUND = (0, -1, 1)
RECOVERY_CODES = 10
MOST_FACTORS = 20
_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"
_CODE = re.compile(r"[0-9]{6}")


def totp_uri(secret: str, address: str, issuer: str) -> str:
    """For a QR code."""
    return pyotp.TOTP(secret).provisioning_uri(name=address, issuer_name=issuer)


def totp_step(secret: str, code: str, now: datetime) -> int | None:
    """The step that a code is of; None for a wrong one. Whoever asks sees to it that no step counts twice."""
    code = code.replace(" ", "")
    if not _CODE.fullmatch(code):
        return None
    totp = pyotp.TOTP(secret)
    step = int(now.timestamp()) // STEP_SECONDS
    found = None
    for around in STEPS_AROUND:
        if hmac.compare_digest(totp.generate_otp(step + around), code) and found is None:
            found = step + around
    return found


def make_recovery_codes() -> list[str]:
    """New ones, of 50 bits each: limits of failed logins see to the rest."""
    return [
        "-".join("".join(secrets.choice(_LETTERS) for _ in range(5)) for _ in range(2))
        for _ in range(RECOVERY_CODES)
    ]


def recovery_verifier(code: str) -> str:
    """What is stored of a recovery code; blanks, dashes and capitals make no difference."""
    plain = code.translate(str.maketrans("", "", "- ")).lower()[:100]
    return "sha256$" + hashlib.sha256(plain.encode()).hexdigest()
