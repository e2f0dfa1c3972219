"""Filters and patches of SCIM, as identity providers write them."""

from typing import Any

import pytest
from admin_api.edge.scim import user_update
from admin_api.scim_documents import (
    PATCH,
    ScimFault,
    display_name_of,
    members_of,
    patched,
    sought,
    text_of,
    truth_of,
    versioned,
)

FILTERS = ("id", "userName", "emails.value")
PATHS = ("userName", "displayName", "active", "members", "name", "name.formatted")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ("", "")),
        ('userName eq "a@b.test"', ("userName", "a@b.test")),
        ('USERNAME EQ "a"', ("userName", "a")),
        (' emails.value eq "x" ', ("emails.value", "x")),
        ('id eq "a \\"quoted\\" \\u00e4"', ("id", 'a "quoted" \u00e4')),
    ],
)
def test_filters(text: str, expected: tuple[str, str]) -> None:
    assert sought(text, FILTERS) == expected


@pytest.mark.parametrize(
    "text",
    [
        "userName",
        'userName co "a"',
        'password eq "a"',
        'id eq "a" or id eq "b"',
        "id eq a",
        'id eq "\\x"',
        'id eq "' + "x" * 600 + '"',
    ],
)
def test_what_is_no_filter_of_ours(text: str) -> None:
    with pytest.raises(ScimFault) as fault:
        sought(text, FILTERS)
    assert fault.value.kind == "invalidFilter"


def patch(*operations: object) -> dict[str, Any]:
    return {"schemas": [PATCH], "Operations": list(operations)}


def change(resource: dict[str, Any], *operations: dict[str, Any]) -> dict[str, Any]:
    return patched(resource, patch(*operations), PATHS)


def test_values_are_replaced_added_and_removed() -> None:
    before = {"userName": "a", "displayName": "A", "active": True}
    assert change(before, {"op": "Replace", "path": "active", "value": "False"})["active"] == "False"
    assert truth_of({"Active": "False"}, "active", True) is False
    assert change(before, {"op": "add", "value": {"displayName": "B"}})["displayName"] == "B"
    assert "displayName" not in change(before, {"op": "remove", "path": "DISPLAYNAME"})
    urn = "urn:ietf:params:scim:schemas:core:2.0:User:userName"
    assert change(before, {"op": "replace", "path": urn, "value": "b"})["userName"] == "b"
    assert display_name_of(change(before, {"op": "replace", "path": "name.formatted", "value": "C"})) == "C"
    assert before == {"userName": "a", "displayName": "A", "active": True}


def test_members_come_and_go() -> None:
    before = {"members": [{"value": "1"}, {"value": "2"}]}
    for operation, expected in (
        ({"op": "add", "path": "members", "value": [{"value": "3"}, {"value": "1"}]}, ["1", "2", "3"]),
        ({"op": "add", "path": "members", "value": {"value": "3"}}, ["1", "2", "3"]),
        ({"op": "remove", "path": 'members[value eq "1"]'}, ["2"]),
        ({"op": "remove", "path": "members", "value": [{"value": "2"}]}, ["1"]),
        ({"op": "remove", "path": "members"}, []),
        ({"op": "replace", "path": "members", "value": [{"value": "9"}]}, ["9"]),
        ({"op": "add", "value": {"members": [{"value": "3"}]}}, ["1", "2", "3"]),
    ):
        assert members_of(change(before, operation)) == expected, operation


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ({}, "invalidSyntax"),
        ({"schemas": [PATCH], "Operations": {}}, "invalidSyntax"),
        ({"schemas": 5, "Operations": []}, "invalidSyntax"),
        (patch({"op": "move", "path": "active"}), "invalidSyntax"),
        (patch({"op": "replace", "path": "id", "value": "x"}), "invalidPath"),
        (patch({"op": "replace", "path": 'emails[type eq "work"].value', "value": "x"}), "invalidPath"),
        (patch({"op": "remove"}), "noTarget"),
        (patch({"op": "add", "value": "x"}), "noTarget"),
        (patch("x"), "invalidSyntax"),
        (patch({"op": "add", "path": "members", "value": "x"}), "invalidValue"),
        (patch(*[{"op": "add", "path": "active", "value": True}] * 101), "tooMany"),
    ],
)
def test_what_is_no_patch(given: dict[str, Any], kind: str) -> None:
    with pytest.raises(ScimFault) as fault:
        patched({}, given, PATHS)
    assert fault.value.kind == kind


def test_another_version_whenever_something_is_another() -> None:
    def version(**more: object) -> str:
        return str(versioned({"a": 1, "meta": {}, **more})["meta"]["version"])

    assert version() == version()
    assert version() != version(b=2)


@pytest.mark.parametrize("is_active", [True, False])
def test_a_patch_that_does_not_name_it_tells_a_directory_of_before_what_already_is(is_active: bool) -> None:
    before = {"userName": "a@b.test", "displayName": "A", "active": is_active}

    def asked(*operations: dict[str, Any], patch: bool = True) -> tuple[bool, bool]:
        given = {"schemas": [PATCH], "Operations": list(operations)} if patch else {"userName": "a@b.test"}
        made = user_update("t", "u", before, given, patch=patch)
        return made.user.active, made.keeps_active

    assert asked({"op": "replace", "path": "displayName", "value": "B"}) == (is_active, True)
    assert asked({"op": "replace", "path": "active", "value": False}) == (False, False)
    assert asked({"op": "replace", "path": "active", "value": True}) == (True, False)
    assert asked(patch=False) == (True, False)


def test_half_of_a_surrogate_pair_is_a_wrong_value() -> None:
    with pytest.raises(ScimFault):
        text_of({"displayName": "\ud800"}, "displayName")
    with pytest.raises(ScimFault) as fault:
        sought('userName eq "\\ud800"', FILTERS)
    assert fault.value.kind == "invalidFilter"


def test_more_members_than_anybody_has_are_refused_before_they_are_compared() -> None:
    many = [{"value": str(number)} for number in range(2001)]
    with pytest.raises(ScimFault) as fault:
        change({}, {"op": "add", "path": "members", "value": many})
    assert fault.value.kind == "tooMany"
    half, rest = many[:2000], [{"value": f"{number}x"} for number in range(2000)]
    with pytest.raises(ScimFault):
        change({"members": half}, *[{"op": "add", "path": "members", "value": rest}] * 2)
