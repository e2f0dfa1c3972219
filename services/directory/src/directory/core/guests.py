"""With what somebody has come in, written so that it can be asked later whether that is still good.

An app password by its id, the account's password by the moment when it was set (hashed anew it is the same one), a
certificate by its fingerprint. Tokens end by themselves, and of what an authority says of others nothing is kept: "".
"""

from dataclasses import dataclass
from datetime import datetime

from directory.core.names import NameInvalid, is_id

APP, PASSWORD, CERTIFICATE = "app:", "password:", "certificate:"
FINGERPRINT_LENGTH = 64


def by_app_password(app_password_id: str) -> str:
    return APP + app_password_id


def by_password(set_at: datetime) -> str:
    return PASSWORD + set_at.isoformat()


def by_certificate(fingerprint: str) -> str:
    return CERTIFICATE + fingerprint


@dataclass(frozen=True, slots=True)
class Guest:
    """Somebody who is in; what is None says nothing."""

    account_id: str
    app_password_id: str | None = None
    password_set_at: datetime | None = None
    fingerprint: str | None = None


def guest(account_id: str, credential: str) -> Guest:
    """Of a kind of credential that only a later version knows nothing but the account is looked at: one such guest must not
    keep all others of a door in. Raises NameInvalid.
    """
    if not is_id(account_id):
        raise NameInvalid("that is no account's id")
    kind, _, text = credential.partition(":")
    match kind + ":":
        case _ if not credential:
            return Guest(account_id)
        case "app:" if is_id(text):
            return Guest(account_id, app_password_id=text)
        case "certificate:" if len(text) == FINGERPRINT_LENGTH and text.isalnum() and text.isascii():
            return Guest(account_id, fingerprint=text)
        case "password:":
            try:
                set_at = datetime.fromisoformat(text)
            except ValueError as error:
                raise NameInvalid("that is no credential") from error
            if set_at.tzinfo is not None:
                return Guest(account_id, password_set_at=set_at)
        case kind if kind not in (APP, PASSWORD, CERTIFICATE):
            return Guest(account_id)
    raise NameInvalid("that is no credential")
