"""With what somebody came in, as it is asked about later."""

from datetime import UTC, datetime

import pytest
from directory.core.guests import Guest, by_app_password, by_certificate, by_password, guest
from directory.core.names import NameInvalid

ALICE, PHONE = "6f9619ff-8b86-4011-b42d-00cf4fc964ff", "7f9619ff-8b86-4011-b42d-00cf4fc964ff"
NOW = datetime(2026, 11, 21, 8, 0, 0, 1, UTC)


def test_what_is_written_is_read_again() -> None:
    assert guest(ALICE, "") == Guest(ALICE)
    assert guest(ALICE, by_app_password(PHONE)) == Guest(ALICE, app_password_id=PHONE)
    assert guest(ALICE, by_password(NOW)) == Guest(ALICE, password_set_at=NOW)
    assert guest(ALICE, by_certificate("0a" * 32)) == Guest(ALICE, fingerprint="0a" * 32)


@pytest.mark.parametrize("credential", ["key:x", "x", "apps:" + PHONE, ":"])
def test_of_what_only_a_later_version_knows_the_account_is_looked_at(credential: str) -> None:
    assert guest(ALICE, credential) == Guest(ALICE)


@pytest.mark.parametrize(
    "credential", ["app:x", "password:yesterday", "password:2026-11-21T08:00:00", "certificate:x"]
)
def test_what_is_no_credential_of_its_kind_is_refused(credential: str) -> None:
    with pytest.raises(NameInvalid):
        guest(ALICE, credential)
