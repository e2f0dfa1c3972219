"""Address lists (RFC 5322 §3.4, §4.4, appendix A)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mailmsg.address import Address, Group, mailboxes, parse_addresses


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"a@b.c", [Address(b"", b"a", b"b.c")]),
        (b" John Doe <jdoe@machine.example> ", [Address(b"John Doe", b"jdoe", b"machine.example")]),
        # Appendix A.1.2
        (
            b'"Joe Q. Public" <john.q.public@example.com>, Mary Smith <mary@x.test>, jdoe@example.org, Who? <one@y.test>',
            [
                Address(b"Joe Q. Public", b"john.q.public", b"example.com"),
                Address(b"Mary Smith", b"mary", b"x.test"),
                Address(b"", b"jdoe", b"example.org"),
                Address(b"Who?", b"one", b"y.test"),
            ],
        ),
        (
            b'<boss@nil.test>, "Giant; \\"Big\\" Box" <sysservices@example.net>',
            [
                Address(b"", b"boss", b"nil.test"),
                Address(b'Giant; "Big" Box', b"sysservices", b"example.net"),
            ],
        ),
        # Appendix A.1.3
        (
            b"A Group:Ed Jones <c@a.test>,joe@where.test,John <jdoe@one.test>;",
            [
                Group(
                    b"A Group",
                    (
                        Address(b"Ed Jones", b"c", b"a.test"),
                        Address(b"", b"joe", b"where.test"),
                        Address(b"John", b"jdoe", b"one.test"),
                    ),
                )
            ],
        ),
        (b"Undisclosed recipients:;", [Group(b"Undisclosed recipients", ())]),
        # Appendix A.5: white space, comments and other oddities
        (
            b"Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>",
            [Address(b"Pete", b"pete", b"silly.test")],
        ),
        (
            b"A Group(Some people)\r\n     :Chris Jones <c@(Chris's host.)public.example>,\r\n"
            b"         joe@example.org,\r\n  John <jdoe@one.test> (my dear friend); (the end of the group)",
            [
                Group(
                    b"A Group",
                    (
                        Address(b"Chris Jones", b"c", b"public.example"),
                        Address(b"", b"joe", b"example.org"),
                        Address(b"John", b"jdoe", b"one.test"),
                    ),
                )
            ],
        ),
        # Appendix A.6.1: obsolete addressing
        (
            b"Mary Smith <@node.test:mary@example.net>, , jdoe@test   . example",
            [
                Address(b"Mary Smith", b"mary", b"example.net", b"@node.test"),
                Address(b"", b"jdoe", b"test.example"),
            ],
        ),
        (b"<@a.test,@b.test:x@c.test>", [Address(b"", b"x", b"c.test", b"@a.test,@b.test")]),
        # The oldest way to give a name
        (b"jdoe@example.org (John Doe)", [Address(b"John Doe", b"jdoe", b"example.org")]),
        # What people write
        (b'"john smith"@x.test', [Address(b"", b"john smith", b"x.test")]),
        (b"root", [Address(b"", b"root", b"")]),
        (b"user@[192.0.2.1]", [Address(b"", b"user", b"[192.0.2.1]")]),
        (b"a@b.c <d@e.f>", [Address(b"a@b.c", b"d", b"e.f")]),
        (b"=?utf-8?q?J=C3=B6rg?= <j@x.test>", [Address(b"=?utf-8?q?J=C3=B6rg?=", b"j", b"x.test")]),
        (b"a@b.c; d@e.f", [Address(b"", b"a", b"b.c"), Address(b"", b"d", b"e.f")]),
        (b"Name <a@b.c", [Address(b"Name", b"a", b"b.c")]),
        (b"Name <a@b.c> junk", [Address(b"Name", b"a", b"b.c")]),
        (b"", []),
        (b" , ,, ", []),
        (b"<>", []),
        (
            "Jörg <jörg@exämple.test>".encode(),
            [Address("Jörg".encode(), "jörg".encode(), "exämple.test".encode())],
        ),
    ],
)
def test_parse(value: bytes, expected: list[Address | Group]) -> None:
    assert parse_addresses(value) == expected


def test_mailboxes_look_into_groups() -> None:
    assert [found.address for found in mailboxes(b"G: a@b, c@d;, e@f")] == [b"a@b", b"c@d", b"e@f"]


ATOMS = st.text(st.sampled_from("abcXYZ019!#$%&'*+-/=?^_`{|}~"), min_size=1, max_size=12)
TEXTS = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20)


@given(st.lists(st.tuples(TEXTS, TEXTS.filter(bool), st.lists(ATOMS, min_size=1, max_size=3))))
def test_what_is_quoted_right_comes_back(entries: list[tuple[str, str, list[str]]]) -> None:
    def quoted(text: str) -> str:
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

    value = ", ".join(
        f"{quoted(name)} <{quoted(local)}@{'.'.join(labels)}>" for name, local, labels in entries
    )
    assert parse_addresses(value.encode()) == [
        Address(name.strip().encode(), local.encode(), ".".join(labels).encode())
        for name, local, labels in entries
    ] or any(name != name.strip() for name, _, _ in entries)


@given(TEXTS.filter(bool), ATOMS)
def test_address_spec_round_trip(local_part: str, domain: str) -> None:
    address = Address(b"", local_part.encode(), domain.encode())
    assert parse_addresses(address.address) == [address]
