"""SCIM resources as they are written (RFC 7643), filters and patches (RFC 7644): no I/O.

Identity providers differ in capitals and in what they put in quotes; where the meaning is clear both are taken.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
LIST = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"
MOST_OPERATIONS = 100
MOST_ROLES = 20
# The directory takes half as many: between two operations of a patch there may be more.
MOST_MEMBERS = 2000
# attribute eq "value"
FILTER = re.compile(r'\s*([A-Za-z.]{1,40})\s+eq\s+"((?:[^"\\]|\\.){0,500})"\s*', re.IGNORECASE)
ROLE = re.compile(r'roles\[\s*value\s+eq\s+"([^"]{1,100})"\s*\]', re.IGNORECASE)
MEMBER = re.compile(r'members\[\s*value\s+eq\s+"([^"]{1,100})"\s*\]', re.IGNORECASE)


class ScimFault(Exception):
    """What is wrong with a request; `kind` is the scimType (RFC 7644 §3.12)."""

    def __init__(self, detail: str, kind: str = "invalidValue", status: int = 400) -> None:
        super().__init__(detail)
        self.kind = kind
        self.status = status


def versioned(resource: dict[str, Any]) -> dict[str, Any]:
    """With `meta.version`: another one whenever anything else in it is another."""
    text = json.dumps(resource, sort_keys=True, separators=(",", ":"))
    resource["meta"]["version"] = f'W/"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'
    return resource


def sought(text: str, attributes: Sequence[str]) -> tuple[str, str]:
    """Attribute and value of a filter; ("", "") for none. Raises ScimFault."""
    if not text.strip():
        return "", ""
    found = FILTER.fullmatch(text)
    known = {each.lower(): each for each in attributes}
    if found is None or found[1].lower() not in known:
        raise ScimFault(f'filters are: attribute eq "value", of {", ".join(attributes)}', "invalidFilter")
    try:
        value = json.loads(f'"{found[2]}"')
        value.encode()
    except ValueError as error:
        raise ScimFault("the filter's value cannot be read", "invalidFilter") from error
    return known[found[1].lower()], str(value)


def text_of(resource: Mapping[str, Any], name: str) -> str:
    """A string of it, whatever capitals its name has; "" where it is not there. Raises ScimFault."""
    value = _value(resource, name)
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > 1000:
        raise ScimFault(f"{name} is a string of at most 1000 characters")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        # JSON can write half of a surrogate pair (RFC 8259 §8.2); nothing else can.
        raise ScimFault(f"{name} is no Unicode") from error
    return value


def truth_of(resource: Mapping[str, Any], name: str, otherwise: bool) -> bool:
    """A boolean of it. Raises ScimFault."""
    value = _value(resource, name)
    if value is None:
        return otherwise
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    if not isinstance(value, bool):
        raise ScimFault(f"{name} is true or false")
    return value


def display_name_of(resource: Mapping[str, Any]) -> str:
    """displayName, or what a name has that stands for it."""
    if given := text_of(resource, "displayName"):
        return given
    name = _value(resource, "name")
    if not isinstance(name, dict):
        return ""
    parts = (text_of(name, "givenName"), text_of(name, "familyName"))
    return text_of(name, "formatted") or " ".join(each for each in parts if each)


def members_of(resource: Mapping[str, Any]) -> list[str]:
    """Ids. Raises ScimFault."""
    value = _value(resource, "members")
    found = [value] if isinstance(value, dict) else value or []
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise ScimFault("members are a list of objects")
    if len(found) > MOST_MEMBERS:
        raise ScimFault(f"there are at most {MOST_MEMBERS} members at once", "tooMany")
    return [text_of(each, "value") for each in found]


def roles_of(resource: Mapping[str, Any]) -> list[str] | None:
    """Their values (RFC 7643 §4.1.2), given as objects or as strings; None where nothing is said. Raises ScimFault."""
    value = _value(resource, "roles")
    if value is None:
        return None
    found = value if isinstance(value, list) else [value]
    if len(found) > MOST_ROLES or not all(isinstance(each, dict | str) for each in found):
        raise ScimFault(f"roles are a list of at most {MOST_ROLES} objects")
    return [each.lower() if isinstance(each, str) else text_of(each, "value").lower() for each in found]


def _value(resource: Mapping[str, Any], name: str) -> Any:
    for each, value in resource.items():
        if each.lower() == name.lower():
            return value
    return None


def patched(resource: Mapping[str, Any], patch: Mapping[str, Any], allowed: Sequence[str]) -> dict[str, Any]:
    """The resource as it shall be (RFC 7644 §3.5.2). `allowed` are the paths that can change. Raises ScimFault."""
    operations = _value(patch, "Operations")
    schemas = _value(patch, "schemas")
    if not isinstance(schemas, list) or PATCH not in schemas or not isinstance(operations, list):
        raise ScimFault("that is no PatchOp", "invalidSyntax")
    if len(operations) > MOST_OPERATIONS:
        raise ScimFault(f"a patch has at most {MOST_OPERATIONS} operations", "tooMany")
    known = {each.lower(): each for each in allowed}
    made = dict(resource)
    for each in operations:
        if not isinstance(each, dict):
            raise ScimFault("an operation is an object", "invalidSyntax")
        operation, path, value = text_of(each, "op").lower(), text_of(each, "path"), _value(each, "value")
        if operation not in ("add", "replace", "remove"):
            raise ScimFault("an operation is add, replace or remove", "invalidSyntax")
        if path:
            _apply(made, operation, path.removeprefix(USER + ":").removeprefix(GROUP + ":"), value, known)
        elif operation == "remove" or not isinstance(value, dict):
            raise ScimFault("without a path there is an object to add or to replace", "noTarget")
        else:
            for name, one in value.items():
                if name.lower() not in ("schemas", "id", "meta"):
                    _apply(made, operation, name, one, known)
    return made


def _apply(made: dict[str, Any], operation: str, path: str, value: Any, known: Mapping[str, str]) -> None:
    if (one := MEMBER.fullmatch(path)) is not None and "members" in known and operation == "remove":
        made["members"] = [{"value": each} for each in members_of(made) if each != one[1]]
        return
    if (one := ROLE.fullmatch(path)) is not None and "roles" in known and operation == "remove":
        made["roles"] = [{"value": each} for each in roles_of(made) or () if each != one[1].lower()]
        return
    name = known.get(path.lower())
    if name is None:
        raise ScimFault(f"{path[:100]} cannot be changed here", "invalidPath")
    if name == "members" and operation != "replace":
        named, members = dict.fromkeys(members_of({"members": value})), dict.fromkeys(members_of(made))
        if operation == "add":
            members |= named
        else:
            members = {each: None for each in members if value is not None and each not in named}
        made["members"] = [{"value": each} for each in members]
        return
    if name.startswith("name."):
        part = name.partition(".")[2]
        before = made["name"] if isinstance(made.get("name"), dict) else {}
        made["name"] = {**before, part: value}
        made.pop("displayName", None)
        return
    if name == "roles":
        # Removed is none: what is left out would stay.
        given = (
            roles_of({"roles": value}) or []
            if operation != "remove" or value is not None
            else roles_of(made) or []
        )
        kept = [] if operation == "replace" else [each for each in roles_of(made) or () if each not in given]
        made["roles"] = [{"value": each} for each in (*kept, *(given if operation != "remove" else ()))]
        return
    if operation == "remove":
        made.pop(name, None)
    else:
        made[name] = value
