"""Who asks: whoever has the operator's token, or an account: for itself, or with a role for its tenant.

An account shows what it shows to every door: `Authorization: Basic` with its address and its password or an app
password of the scope admin, or `Bearer` with a token of its tenant's OpenID provider; the directory decides, counts what
is wrong and keeps the log. Each request is asked about anew: a role that is taken away is gone at once.

An administrator may order what TENANTS_OWN lists, an auditor may look at it. Everybody may see and choose what OWN lists,
of the own account. The walls are the directory's: every call
for such a request says which tenant's rows there are (`adapters/confining.py`), so that what is another's is not there.
"""

import base64
import binascii
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Any

import grpc
from fastapi import HTTPException, Request, Response
from mailwire.directory.v1 import directory_pb2 as wire

from admin_api.edge.problems import problem

DOOR = "admin"
SECONDS = 15.0
ADMINISTRATOR, AUDITOR = "administrator", "auditor"

READ = ("GET",)
ANY = ("GET", "POST", "PUT", "PATCH", "DELETE")
# What is not here is the operator's: which tenants and domains there are, the queue, the front door, the platform's limits.
TENANTS_OWN: Mapping[str, tuple[str, ...]] = {
    "/v1/whoami": READ,
    "/v1/health": READ,
    "/v1/tenants": READ,
    "/v1/tenants/{tenant}": READ,
    # But for the limits that the operator has set: OPERATORS_CHOICES.
    "/v1/tenants/{tenant}/policy": ("GET", "PATCH"),
    # To delete them is the operator's.
    "/v1/tenants/{tenant}/keys": READ,
    "/v1/tenants/{tenant}/keys/rotate": ("POST",),
    "/v1/tenants/{tenant}/openid-providers": ANY,
    "/v1/tenants/{tenant}/scim-tokens": ANY,
    "/v1/tenants/{tenant}/scim-tokens/{token_id}": ANY,
    "/v1/tenants/{tenant}/ldap-source": ANY,
    "/v1/tenants/{tenant}/client-authorities": ANY,
    "/v1/tenants/{tenant}/client-authorities/{fingerprint}": ANY,
    "/v1/tenants/{tenant}/scripts": ANY,
    "/v1/tenants/{tenant}/scripts/{name}": ANY,
    "/v1/tenants/{tenant}/scripts/{name}/activate": ANY,
    "/v1/domains": READ,
    "/v1/domains/{name}": READ,
    "/v1/domains/{name}/dkim": ANY,
    "/v1/domains/{name}/dkim/{selector}": ANY,
    "/v1/domains/{name}/routing": ANY,
    "/v1/accounts": ANY,
    "/v1/accounts/{account}": ANY,
    "/v1/accounts/{account}/settings": ANY,
    "/v1/accounts/{account}/app-passwords": ANY,
    "/v1/accounts/{account}/app-passwords/{app_password_id}": ANY,
    "/v1/accounts/{account}/sign-ins": ANY,
    "/v1/accounts/{account}/scripts": ANY,
    "/v1/accounts/{account}/scripts/{name}": ANY,
    "/v1/accounts/{account}/scripts/{name}/restore": ANY,
    "/v1/accounts/{account}/addresses": ANY,
    "/v1/accounts/{account}/addresses/{address}": ANY,
    "/v1/accounts/{account}/primary-address": ANY,
    "/v1/accounts/{account}/certificates": ANY,
    "/v1/accounts/{account}/certificates/{fingerprint}": ANY,
    "/v1/accounts/{account}/second-factors": ANY,
    "/v1/accounts/{account}/second-factors/{factor_id}": ANY,
    "/v1/accounts/{account}/second-factors/totp": ANY,
    "/v1/accounts/{account}/second-factors/totp/{factor_id}/confirm": ANY,
    "/v1/accounts/{account}/second-factors/webauthn/options": ANY,
    "/v1/accounts/{account}/second-factors/webauthn": ANY,
    "/v1/accounts/{account}/second-factors/recovery-codes": ANY,
    "/v1/deleted-accounts": ANY,
    "/v1/deleted-accounts/{account_id}/restore": ANY,
    "/v1/deleted-accounts/{account_id}": ANY,
    "/v1/aliases": ANY,
    "/v1/aliases/{address}": ANY,
    "/v1/delegations": ANY,
    "/v1/login-limits": ANY,
    "/v1/lists": ANY,
    "/v1/lists/{mailing_list}": ANY,
    "/v1/lists/{mailing_list}/members": ANY,
    "/v1/lists/{mailing_list}/members/remove": ANY,
    "/v1/lists/{mailing_list}/suspended": READ,
    "/v1/shared-mailboxes": ANY,
    "/v1/mailboxes": ANY,
    "/v1/mailboxes/rights": ANY,
    "/v1/quarantine/{tenant}": ANY,
    "/v1/quarantine/{tenant}/{queue_id}": ANY,
    "/v1/quarantine/{tenant}/{queue_id}/release": ANY,
}
# Of the account that asks. What somebody could lock its owner out with is not here: the password, second factors.
OWN: Mapping[str, tuple[str, ...]] = {
    "/v1/whoami": READ,
    "/v1/accounts/{account}": READ,
    "/v1/accounts/{account}/addresses": READ,
    "/v1/accounts/{account}/sign-ins": READ,
    "/v1/accounts/{account}/scripts": READ,
    "/v1/accounts/{account}/scripts/{name}": READ,
    "/v1/accounts/{account}/scripts/{name}/restore": ("POST",),
    # But for how much it may keep: NO_OWN_CHOICES.
    "/v1/accounts/{account}/settings": ("GET", "PATCH"),
    "/v1/accounts/{account}/app-passwords": ("GET", "POST"),
    "/v1/accounts/{account}/app-passwords/{app_password_id}": ("DELETE",),
}
NO_OWN_CHOICES = frozenset({"quota_octets", "quota_messages"})
# Fields of a tenant's policy: how much the platform takes of it.
OPERATORS_CHOICES = frozenset({"tenant_quota_octets"})
OPERATORS_PREFIX = "max_"


@dataclass(frozen=True, slots=True)
class Caller:
    """An account that asks. `roles`: administrator, auditor."""

    account_id: str
    address: str
    tenant_id: str
    roles: tuple[str, ...]


def caller_of(request: Request) -> Caller | None:
    """None: the operator."""
    caller: Caller | None = request.state.caller
    return caller


def actor_of(request: Request) -> str:
    """Who is to be named where it is kept who did something."""
    caller = caller_of(request)
    return "operator" if caller is None else caller.address


async def allowed(request: Request) -> None:
    """Of every route: whether the caller may. Raises 403."""
    caller = caller_of(request)
    if caller is None:
        return
    route = request.scope["route"].path.replace(":path}", "}")
    if request.method in OWN.get(route, ()) and _is_own(request, caller):
        return
    if not caller.roles:
        raise HTTPException(403, f"{caller.address} has no role here, and that is not its own.")
    if request.method not in TENANTS_OWN.get(route, ()):
        raise HTTPException(403, "That is the operator's to order.")
    if ADMINISTRATOR not in caller.roles and request.method != "GET":
        raise HTTPException(403, "An auditor may look, and change nothing.")


def _is_own(request: Request, caller: Caller) -> bool:
    """Whether it is about the caller's account, by its primary address or its id, or about no account."""
    named = request.path_params.get("account")
    return named is None or named.lower() in (caller.address.lower(), caller.account_id)


def check_own_choices(request: Request, fields: "frozenset[str] | set[str]") -> None:
    """Of an account's settings. Raises 403 for what is its administrator's to choose."""
    caller = caller_of(request)
    if caller is not None and ADMINISTRATOR not in caller.roles and (own := NO_OWN_CHOICES & fields):
        raise HTTPException(403, f"{min(own)} is an administrator's to choose.")


def check_choices(request: Request, fields: "frozenset[str] | set[str]") -> None:
    """Of a tenant's policy. Raises 403 for what is the operator's to choose."""
    if caller_of(request) is None:
        return
    for field in sorted(fields):
        if field in OPERATORS_CHOICES or field.startswith(OPERATORS_PREFIX):
            raise HTTPException(403, f"{field} is the operator's to choose.")


async def enter(request: Request, questions: Any) -> Caller | Response:
    """The account that asks, or the answer to who may not. `questions`: the directory's DirectoryService."""
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    address = request.client.host if request.client else ""
    question = None if questions is None else _question(scheme.lower(), given.strip(), address, questions)
    if question is None:
        return _refused()
    try:
        answer = await question
    except grpc.aio.AioRpcError as error:
        if error.code() in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND):
            return _refused()
        return problem(503, "Unavailable", "The directory cannot be asked who you are.", {"Retry-After": "2"})
    if isinstance(answer, wire.AuthenticateTokenResponse):
        answer = answer.answer
    if answer.verdict == wire.VERDICT_THROTTLED:
        after = str(max(1, round(answer.retry_after_seconds)))
        return problem(429, "Too many requests", "Too many failed logins; wait.", {"Retry-After": after})
    if not answer.granted:
        return _refused()
    who = answer.identity
    return Caller(who.account_id, who.address, who.tenant_id, tuple(who.roles))


def _question(scheme: str, given: str, address: str, questions: Any) -> Awaitable[Any] | None:
    if scheme == "basic":
        try:
            login, colon, password = base64.b64decode(given, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        if not colon:
            return None
        asked = wire.AuthenticateRequest(login=login, password=password, door=DOOR, client_address=address)
        return questions.Authenticate(asked, timeout=SECONDS)  # type: ignore[no-any-return]
    # Only a token that says itself whom it is of can be one of an account's.
    if scheme == "bearer" and given.count(".") == 2:
        token = wire.AuthenticateTokenRequest(token=given, door=DOOR, client_address=address)
        return questions.AuthenticateToken(token, timeout=SECONDS)  # type: ignore[no-any-return]
    return None


def _refused() -> Response:
    return problem(
        401,
        "Unauthorized",
        "The operator's token is missing or wrong: send it as Authorization: Bearer TOKEN. Accounts send their "
        "address and password as Authorization: Basic.",
        {"WWW-Authenticate": "Bearer"},
    )
