"""What a tenant writes of its LDAP server: nothing in it may cost more than it says."""

import pytest
from directory.core.ldap import LdapSource, check
from directory.core.names import NameInvalid


def source(text: str = "(mail={address})", url: str = "ldaps://ldap.example.org") -> LdapSource:
    return LdapSource("a tenant", url, "dc=example,dc=org", text)


@pytest.mark.parametrize(
    "text", ["(mail={address:>1000000000})", "(mail={address!r})", "(mail={address:{domain}})", "(mail={})"]
)
def test_a_filter_that_says_how_a_field_is_shown_is_refused(text: str) -> None:
    with pytest.raises(NameInvalid):
        check(source(text))


def test_one_that_was_kept_before_makes_no_more_than_the_address() -> None:
    assert source("(mail={address:>1000000000})").filter_for("a*@example.org") == "(mail=a\\2a@example.org)"


def test_braces_that_are_doubled_are_braces() -> None:
    kept = check(source("(&(mail={address})(o={{x}})(dc={domain})(uid={local_part}))"))
    assert kept.filter_for("a@b.test") == "(&(mail=a@b.test)(o={x})(dc=b.test)(uid=a))"


@pytest.mark.parametrize("url", ["ldaps://[x", "ldaps://h:99999", "ldaps://h/x", "ldaps://u@h", "http://h"])
def test_what_is_no_url_of_a_server_is_refused(url: str) -> None:
    with pytest.raises(NameInvalid):
        check(source(url=url))
