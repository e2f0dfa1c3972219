"""What names there may be, beyond what test_resolving says of addresses."""

import pytest
from directory.core import names
from directory.core.names import NameInvalid


@pytest.mark.parametrize("text", ["xn--a.test", "xn--zzzz.test"])
def test_what_only_looks_like_an_a_label_is_no_domain_of_ours(text: str) -> None:
    assert names.domain_name(text) == text
    with pytest.raises(NameInvalid):
        names.own_domain(text)
    assert names.own_domain("XN--bcher-KVA.example") == "xn--bcher-kva.example"


@pytest.mark.parametrize(
    "text", ["a\r\nBcc: x", "a\0", "\x1b[2J", "a\x7f", "a\u0085b", "a\u2028b", "gnp.\u202eexe"]
)
def test_control_characters_are_named(text: str) -> None:
    with pytest.raises(NameInvalid, match=r"control character in it \(U\+[0-9A-F]{4}\)"):
        names.check_text(text)
    names.check_text("Zoë O'Brien 👩\u200d🔬 <>&\"\\")


def test_a_tenants_name_cannot_pass_for_an_id() -> None:
    assert names.tenant_name("demo-2") == "demo-2"
    with pytest.raises(NameInvalid, match="id"):
        names.tenant_name("6f9619ff-8b86-4011-b42d-00cf4fc964ff")


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("John.DOE+x@Elsewhere.EXAMPLE.", "John.DOE+x@elsewhere.example"),
        (" a@b.test ", "a@b.test"),
        ("A@bücher.example", "A@xn--bcher-kva.example"),
    ],
)
def test_a_remote_local_part_stays_as_it_was_written(text: str, written: str) -> None:
    assert names.forward_path(text) == written


def test_a_remote_local_part_is_ascii() -> None:
    # The Kelvin sign is a K to lower() and none to SMTP.
    with pytest.raises(NameInvalid):
        names.forward_path("\u212aarl@b.test")
    assert names.address("\u212aarl@b.test") == "karl@b.test"
