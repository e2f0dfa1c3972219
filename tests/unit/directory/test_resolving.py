"""Aliases: followed once, with a guard; what is ours and what is not."""

import asyncio
from collections.abc import Sequence

import pytest
from directory.core import names
from directory.core.names import NameInvalid
from directory.core.passwords import Hasher, Verdicts
from directory.core.resolving import DEPTH, Disposition, Found, Resolution, resolve

OURS = {"a.test", "b.test"}


def account(address: str, **values: object) -> Found:
    return Found(f"tenant-{address.partition('@')[2]}", f"id-{address}", address, **values)  # type: ignore[arg-type]


def alias(domain: str, *targets: str) -> Found:
    return Found(f"tenant-{domain}", alias_targets=targets)


class Tables:
    def __init__(self, **entries: Found) -> None:
        self.entries = {tuple(key.split("__")): value for key, value in entries.items()}
        self.queries = 0

    async def __call__(self, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Found]:
        self.queries += 1
        answers = {}
        for local_part, domain in keys:
            if domain in OURS:
                entry = self.entries.get((local_part, domain.partition(".")[0]))
                answers[(local_part, domain)] = entry or Found(f"tenant-{domain}", exists=False)
        return answers


def ask(tables: Tables, *addresses: str) -> list[Resolution]:
    return asyncio.run(resolve(addresses, tables))


def places(resolution: Resolution) -> list[tuple[str, bool]]:
    return [(target.address, target.account_id is not None) for target in resolution.targets]


def test_accounts_strangers_and_nobody_in_one_query() -> None:
    tables = Tables(alice__a=account("alice@a.test"))
    found = ask(tables, "Alice@A.TEST", "nobody@a.test", "x@elsewhere.test", '"alice"@a.test', "postmaster")
    assert [each.disposition for each in found] == [
        *(
            Disposition.DELIVER,
            Disposition.UNKNOWN,
            Disposition.REMOTE,
            Disposition.DELIVER,
            Disposition.REMOTE,
        ),
    ]
    assert tables.queries == 1


def test_an_alias_leads_to_accounts_and_to_the_world() -> None:
    tables = Tables(
        team__a=alias("a.test", "alice@a.test", "far@elsewhere.test", "more@b.test"),
        more__b=alias("b.test", "alice@a.test", "bob@b.test"),
        alice__a=account("alice@a.test"),
        bob__b=account("bob@b.test"),
    )
    [found] = ask(tables, "team@a.test")
    assert places(found) == [("alice@a.test", True), ("far@elsewhere.test", False), ("bob@b.test", True)]
    assert [target.tenant_id for target in found.targets] == [
        "tenant-a.test",
        "tenant-a.test",
        "tenant-b.test",
    ]


def test_a_loop_is_found_and_takes_nothing_from_the_others() -> None:
    loop = Tables(x__a=alias("a.test", "y@b.test"), y__b=alias("b.test", "x@a.test"))
    assert ask(loop, "x@a.test")[0].disposition is Disposition.LOOP
    beside = Tables(
        x__a=alias("a.test", "y@b.test", "alice@a.test"),
        y__b=alias("b.test", "x@a.test"),
        alice__a=account("alice@a.test"),
    )
    assert places(ask(beside, "x@a.test")[0]) == [("alice@a.test", True)]


def test_too_deep_is_a_loop() -> None:
    chain = {f"n{number}__a": alias("a.test", f"n{number + 1}@a.test") for number in range(DEPTH + 5)}
    tables = Tables(**chain, **{f"n{DEPTH + 5}__a": account(f"n{DEPTH + 5}@a.test")})
    assert ask(tables, "n0@a.test")[0].disposition is Disposition.LOOP
    assert tables.queries <= DEPTH + 1


def test_a_lattice_of_aliases_is_walked_once() -> None:
    # 20 aliases on each of 8 levels, each to all of the next: 20 ** 8 roads.
    levels = {
        f"n{level}-{n}__a": alias("a.test", *(f"n{level + 1}-{m}@a.test" for m in range(20)))
        for level in range(8)
        for n in range(20)
    }
    ends = {f"n8-{n}__a": account(f"n8-{n}@a.test") for n in range(20)}
    tables = Tables(**levels, **ends)
    assert len(places(ask(tables, "n0-0@a.test")[0])) == 20
    assert tables.queries == 9


def test_a_subaddress_means_the_address_without_its_detail() -> None:
    tables = Tables(
        alice__a=account("alice@a.test"),
        team__a=alias("a.test", "alice+team@a.test", "far+team@elsewhere.test"),
        suspended__a=account("suspended@a.test", suspended=True),
        **{"alice+own__a": account("alice+own@a.test"), "loop__a": alias("a.test", "loop+x@a.test")},
    )
    found = ask(
        tables,
        *("Alice+Shop+2@a.test", "alice+own@a.test", "nobody+x@a.test", "suspended+x@a.test"),
        *("team+x@a.test", "loop@a.test", "+x@a.test", "x+y@elsewhere.test"),
    )
    assert [each.disposition for each in found] == [
        *(Disposition.DELIVER, Disposition.DELIVER, Disposition.UNKNOWN, Disposition.DISABLED),
        *(Disposition.DELIVER, Disposition.LOOP, Disposition.UNKNOWN, Disposition.REMOTE),
    ]
    assert places(found[0]) == [("alice@a.test", True)]
    assert places(found[1]) == [("alice+own@a.test", True)]
    assert places(found[4]) == [("alice@a.test", True), ("far+team@elsewhere.test", False)]


def test_suspended_gets_nothing() -> None:
    tables = Tables(
        alice__a=account("alice@a.test", suspended=True),
        team__a=alias("a.test", "alice@a.test", "bob@b.test"),
        bob__b=account("bob@b.test"),
    )
    found = ask(tables, "alice@a.test", "team@a.test")
    assert found[0].disposition is Disposition.DISABLED
    assert places(found[1]) == [("bob@b.test", True)]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "a@",
        "@a.test",
        "a b@a.test",
        "a..b@a.test",
        ".a@a.test",
        "a@b",
        "a@-b.test",
        "a@1.2.3.4",
        "ä b@a.test",
        "a\n@a.test",
        "x" * 65 + "@a.test",
        "abcdefghi@" + ".".join(["x" * 60] * 4) + ".test",
        "a@" + "x." * 1000 + "test",
        "a@b.test..",
        "a@b.test\r\nBcc: c@d.test",
    ],
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(NameInvalid):
        names.address(text)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("Alice@Example.TEST", "alice@example.test"),
        ("a+b@x.test.", "a+b@x.test"),
        ("bob@bücher.example", "bob@xn--bcher-kva.example"),
        ("bob@ｂüｃｈｅｒ。ｅｘａｍｐｌｅ", "bob@xn--bcher-kva.example"),
        ("\u212aarl@a.test", "karl@a.test"),
    ],
)
def test_addresses_have_one_form(text: str, canonical: str) -> None:
    assert names.address(text) == canonical


def test_a_login_that_does_not_exist_costs_a_hash_too() -> None:
    hasher = Hasher(8, 1)
    encoded = hasher.hash("right password")
    assert hasher.verify(encoded, "right password")
    assert not hasher.verify(encoded, "wrong password")
    assert not hasher.verify(None, "right password")


def test_verdicts_are_forgotten_in_time_and_with_the_hash() -> None:
    verdicts = Verdicts(60.0)
    verdicts.remember("hash-1", "secret", 100.0)
    assert verdicts.knows("hash-1", "secret", 150.0)
    assert not verdicts.knows("hash-1", "other", 150.0)
    assert not verdicts.knows("hash-2", "secret", 150.0)
    assert not verdicts.knows("hash-1", "secret", 161.0)


def test_an_answer_names_the_tenant_whose_domain_it_is() -> None:
    tables = Tables(alice__a=account("alice@a.test"), x__b=alias("b.test", "alice@a.test"))
    found = ask(tables, "alice@a.test", "x@b.test", "nobody@b.test", "y@elsewhere.test")
    assert [each.tenant_id for each in found] == ["tenant-a.test", "tenant-b.test", "tenant-b.test", ""]


@pytest.mark.parametrize(
    ("targets", "b", "found_in"),
    [
        (["alice@a.test"], {}, {"a"}),
        (["bob@b.test", "alice@a.test"], {"bob": account("bob@b.test")}, {"a", "b"}),
        # What is not there, or may not get mail now, may do so by a change of its tenant.
        (["bob@b.test", "alice@a.test"], {}, {"a", "b"}),
        (["bob@b.test", "alice@a.test"], {"bob": account("bob@b.test", suspended=True)}, {"a", "b"}),
        (["bob@b.test"], {"bob": account("bob@b.test", suspended=True)}, {"a", "b"}),
        # The road alone is another tenant's.
        (["bob@b.test"], {"bob": alias("b.test", "alice@a.test")}, {"a", "b"}),
        (["bob@b.test"], {"bob": alias("b.test", "all@a.test")}, {"a", "b"}),
        # Whose that domain will be nobody knows.
        (["alice@a.test", "x@elsewhere.test"], {}, set()),
        (["bob@b.test", "alice@a.test"], {"bob": alias("b.test", "x@elsewhere.test")}, set()),
        (["alice@a.test", "no address"], {}, set()),
    ],
)
def test_in_whose_tables_an_alias_was_found(
    targets: list[str], b: dict[str, Found], found_in: set[str]
) -> None:
    tables = Tables(
        alice__a=account("alice@a.test"),
        all__a=alias("a.test", *targets),
        **{f"{name}__b": found for name, found in b.items()},
    )
    (found,) = ask(tables, "all@a.test")
    assert found.found_in == {f"tenant-{each}.test" for each in found_in}


def test_in_whose_tables_one_address_was_found() -> None:
    tables = Tables(
        alice__a=account("alice@a.test"),
        gone__a=account("gone@a.test", suspended=True),
        long__a=alias("a.test", *(f"{number}@elsewhere.test" for number in range(2000))),
    )
    asked = (
        "alice@a.test",
        "alice+x@a.test",
        "gone@a.test",
        "nobody@b.test",
        "x@elsewhere.test",
        "long@a.test",
        "@",
    )
    assert [set(each.found_in) for each in ask(tables, *asked)] == [
        *({"tenant-a.test"}, {"tenant-a.test"}, {"tenant-a.test"}, {"tenant-b.test"}, set(), set(), set()),
    ]
