"""App passwords as text: how they are made, how they may be typed, what they open."""

from datetime import UTC, datetime, timedelta

import pytest
from directory.core import app_passwords
from directory.core.app_passwords import AppCredential
from directory.core.names import NameInvalid

NOW = datetime(2026, 11, 21, 8, tzinfo=UTC)


def test_each_is_another_and_is_recognised_as_one() -> None:
    made = {app_passwords.make() for _ in range(100)}
    assert len(made) == 100
    assert len({app_passwords.verifier(each) for each in made}) == 100


def test_how_it_is_typed_makes_no_difference() -> None:
    password = "abcd-efgh-ijkl-mnop-qrst-u234"
    kept = app_passwords.verifier(password)
    assert kept is not None
    assert kept.startswith("sha256$")
    for typed in ("abcdefghijklmnopqrstu234", "ABCD efgh ijkl mnop qrst u234", f" {password} "):
        assert app_passwords.verifier(typed) == kept
    assert app_passwords.verifier(password[:-1] + "5") != kept


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a right password",
        "abcdefghijklmnopqrstu23",
        "abcdefghijklmnopqrstu2345",
        "abcdefghijklmnopqrstu231",
        "-" * 1000 + "abcdefghijklmnopqrstu234",
        "äbcdefghijklmnopqrstu234",
        "abcdefghijklmnopqrstu234\n",
    ],
)
def test_what_cannot_be_one_has_no_verifier(text: str) -> None:
    assert app_passwords.verifier(text) is None


def test_it_opens_its_doors_until_its_end() -> None:
    credential = AppCredential("c", ("imap", "smtp"), NOW + timedelta(seconds=10))
    assert credential.opens("imap", NOW)
    assert not credential.opens("pop3", NOW)
    assert not credential.opens("other", NOW)
    assert not credential.opens("imap", NOW + timedelta(seconds=10))
    assert credential.seconds_left(NOW) == 10
    endless = AppCredential("c", ("imap",), None)
    assert endless.opens("imap", NOW + timedelta(days=10_000))
    assert endless.seconds_left(NOW) is None


def test_scopes_are_told_in_our_order_and_none_means_all() -> None:
    assert app_passwords.scopes(["pop3", "smtp", "pop3"]) == ["smtp", "pop3"]
    assert app_passwords.scopes([]) == ["smtp", "imap", "pop3", "sieve", "jmap"]
    assert app_passwords.scopes(["admin", "imap"]) == ["imap", "admin"]
    for wrong in ("telnet", "", "IMAP"):
        with pytest.raises(NameInvalid, match="is no scope"):
            app_passwords.scopes(["imap", wrong])


def test_names() -> None:
    assert app_passwords.name("  phone ") == "phone"
    for wrong in ("", "   ", "x" * 101, "a\nb"):
        with pytest.raises(NameInvalid):
            app_passwords.name(wrong)
