"""/scim/v2: a tenant's own identity management makes and changes its accounts and groups (SCIM 2.0, RFC 7644).

The token says which tenant it is; the operator's token opens nothing here, and these tokens nothing else.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated, Any

import grpc
import structlog
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import JSONResponse
from mailwire.directory.v1 import scim_pb2 as wire
from mailwire.directory.v1.scim_pb2_grpc import DirectoryScimServiceStub
from pydantic import BaseModel, Field

from admin_api.adapters.directory import SECONDS
from admin_api.edge.problems import STATUS
from admin_api.models import Page, Wire
from admin_api.scim_documents import (
    ERROR,
    GROUP,
    LIST,
    USER,
    ScimFault,
    display_name_of,
    members_of,
    patched,
    roles_of,
    sought,
    text_of,
    truth_of,
    versioned,
)

MEDIA_TYPE = "application/scim+json"
PAGE_MOST = 200
# Of a group that others change at the same time.
CHANGE_TRIES = 20
USER_FILTERS = ("id", "userName", "externalId", "emails.value", "displayName")
GROUP_FILTERS = ("id", "displayName", "externalId")
USER_PATHS = ("userName", "externalId", "displayName", "active", "password", "roles", "name", "name.formatted",
              "name.givenName", "name.familyName")  # fmt: skip
GROUP_PATHS = ("displayName", "externalId", "members")

tokens = APIRouter(tags=["scim"])
router = APIRouter(prefix="/scim/v2", include_in_schema=False)


class ScimToken(BaseModel):
    """What a tenant's identity management shows at /scim/v2."""

    token_id: str
    name: str
    created_at: datetime


class NewScimToken(Wire):
    name: Annotated[str, Field(max_length=100, examples=["identity provider"])]


class MadeScimToken(ScimToken):
    """The only answer that ever shows the token."""

    token: str


def attach(app: FastAPI, stub: DirectoryScimServiceStub) -> None:
    """Give the routes their stub, and the application those that the operator's token does not guard."""
    app.state.scim = stub
    app.include_router(router)


def _token(message: wire.ScimToken) -> ScimToken:
    return ScimToken(
        token_id=message.token_id, name=message.name, created_at=message.created_at.ToDatetime(UTC)
    )


@tokens.post("/v1/tenants/{tenant}/scim-tokens", status_code=201)
async def create_token(tenant: str, new: NewScimToken, request: Request) -> MadeScimToken:
    """Let a tenant's identity management in at /scim/v2. The token is in this answer and in no other."""
    made = await request.app.state.scim.CreateScimToken(
        wire.CreateScimTokenRequest(tenant=tenant, name=new.name), timeout=SECONDS
    )
    return MadeScimToken(**_token(made.token).model_dump(), token=made.secret)


@tokens.get("/v1/tenants/{tenant}/scim-tokens")
async def list_tokens(tenant: str, request: Request) -> Page[ScimToken]:
    """A tenant's tokens; at most 10."""
    found = await request.app.state.scim.ListScimTokens(
        wire.ListScimTokensRequest(tenant=tenant), timeout=SECONDS
    )
    return Page(items=[_token(each) for each in found.tokens])


@tokens.delete("/v1/tenants/{tenant}/scim-tokens/{token_id}", status_code=204)
async def delete_token(tenant: str, token_id: str, request: Request) -> None:
    """It opens nothing any more."""
    await request.app.state.scim.DeleteScimToken(
        wire.DeleteScimTokenRequest(tenant=tenant, token_id=token_id), timeout=SECONDS
    )


# -- what identity management sees


def _fault(status: int, detail: str, kind: str = "") -> Response:
    body = {"schemas": [ERROR], "status": str(status), "detail": detail}
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None
    return JSONResponse(
        {**body, "scimType": kind} if kind else body, status, media_type=MEDIA_TYPE, headers=headers
    )


async def _answered(request: Request, act: Callable[[str], Awaitable[Response]]) -> Response:
    """What `act` answers within the token's tenant; every error in SCIM's own form."""
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    try:
        if scheme.lower() != "bearer" or not secret.strip():
            return _fault(401, "the token is missing")
        try:
            whose = await request.app.state.scim.ResolveScimToken(
                wire.ResolveScimTokenRequest(secret=secret.strip()), timeout=SECONDS
            )
        except grpc.aio.AioRpcError as error:
            if error.code() in (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.INVALID_ARGUMENT):
                return _fault(401, "the token is wrong")
            raise
        return await act(whose.tenant_id)
    except ScimFault as error:
        return _fault(error.status, str(error), error.kind if error.status == 400 else "")
    except grpc.aio.AioRpcError as error:
        status, _ = STATUS.get(error.code(), (500, ""))
        if status >= 500:
            structlog.get_logger().error("directory_failed", code=error.code().name, reason=error.details())
            return _fault(status, "something went wrong here; try again later")
        if error.code() is grpc.StatusCode.ALREADY_EXISTS:
            return _fault(409, error.details() or "", "uniqueness")
        kind = "invalidValue" if status == 422 else ""
        return _fault(400 if status == 422 else status, error.details() or "", kind)


async def _body(request: Request) -> dict[str, Any]:
    try:
        found = await request.json()
    except (ValueError, RecursionError) as error:
        raise ScimFault("the body is not JSON", "invalidSyntax") from error
    if not isinstance(found, dict):
        raise ScimFault("the body is no object", "invalidSyntax")
    return found


def _shown(request: Request, resource: dict[str, Any], status: int = 200) -> Response:
    version = resource["meta"]["version"]
    if status == 200 and request.method == "GET" and request.headers.get("if-none-match") == version:
        return Response(status_code=304, headers={"ETag": version})
    headers = {"ETag": version, "Location": resource["meta"]["location"]}
    return JSONResponse(resource, status, media_type=MEDIA_TYPE, headers=headers)


def _check_version(request: Request, resource: dict[str, Any]) -> None:
    wanted = request.headers.get("if-match", "*")
    if wanted != "*" and resource["meta"]["version"] not in [each.strip() for each in wanted.split(",")]:
        raise ScimFault("it was changed meanwhile", status=412)


def _page(request: Request) -> tuple[int, int]:
    """Where it begins (from 0), and how many (RFC 7644 §3.4.2.4)."""
    query = request.query_params
    try:
        start, count = int(query.get("startIndex", "1")), int(query.get("count", "100"))
    except ValueError as error:
        raise ScimFault("startIndex and count are numbers") from error
    return min(max(1, start) - 1, 1_000_000), min(max(0, count), PAGE_MOST)


def _list(resources: list[dict[str, Any]], total: int, offset: int) -> Response:
    body = {
        "schemas": [LIST],
        "totalResults": total,
        "startIndex": offset + 1,
        "itemsPerPage": len(resources),
        "Resources": resources,
    }
    return JSONResponse(body, media_type=MEDIA_TYPE)


def _meta(kind: str, identity: str, created_at: datetime) -> dict[str, Any]:
    return {
        "resourceType": kind,
        "location": f"/scim/v2/{kind}s/{identity}",
        "created": created_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def _user(message: wire.ScimUser) -> dict[str, Any]:
    resource: dict[str, Any] = {
        "schemas": [USER],
        "id": message.account_id,
        "userName": message.user_name,
        "displayName": message.display_name,
        "name": {"formatted": message.display_name},
        "active": message.active,
        "emails": [{"value": each, "primary": each == message.user_name} for each in message.emails],
        "roles": [{"value": each} for each in message.roles],
        "meta": _meta("User", message.account_id, message.created_at.ToDatetime(UTC)),
    }
    if message.external_id:
        resource["externalId"] = message.external_id
    return versioned(resource)


def _group(message: wire.ScimGroup) -> dict[str, Any]:
    resource: dict[str, Any] = {
        "schemas": [GROUP],
        "id": message.group_id,
        "displayName": message.display_name,
        "members": [
            {"value": each.account_id, "display": each.address, "type": "User"} for each in message.members
        ],
        "meta": _meta("Group", message.group_id, message.created_at.ToDatetime(UTC)),
    }
    if message.external_id:
        resource["externalId"] = message.external_id
    return versioned(resource)


def _new_user(resource: dict[str, Any], account_id: str = "") -> wire.ScimUser:
    if not (user_name := text_of(resource, "userName")):
        raise ScimFault("userName is missing: the address that the account shall have")
    return wire.ScimUser(
        account_id=account_id,
        user_name=user_name,
        external_id=text_of(resource, "externalId"),
        display_name=display_name_of(resource),
        active=truth_of(resource, "active", True),
        roles=roles_of(resource) or (),
    )


def _new_group(resource: dict[str, Any], group_id: str = "") -> wire.ScimGroup:
    if not (name := text_of(resource, "displayName")):
        raise ScimFault("displayName is missing")
    return wire.ScimGroup(
        group_id=group_id,
        display_name=name,
        external_id=text_of(resource, "externalId"),
        members=[wire.ScimMember(account_id=each) for each in members_of(resource)],
    )


async def _one_user(request: Request, tenant_id: str, identity: str) -> dict[str, Any]:
    found = await request.app.state.scim.ListScimUsers(
        wire.ListScimUsersRequest(
            tenant_id=tenant_id, filter=wire.ScimFilter(attribute="id", value=identity), limit=1
        ),
        timeout=SECONDS,
    )
    if not found.users:
        raise ScimFault(f"there is no user {identity}", status=404)
    return _user(found.users[0])


async def _one_group(request: Request, tenant_id: str, identity: str) -> wire.ScimGroup:
    found = await request.app.state.scim.ListScimGroups(
        wire.ListScimGroupsRequest(
            tenant_id=tenant_id, filter=wire.ScimFilter(attribute="id", value=identity), limit=1
        ),
        timeout=SECONDS,
    )
    if not found.groups:
        raise ScimFault(f"there is no group {identity}", status=404)
    group: wire.ScimGroup = found.groups[0]
    return group


@router.get("/Users")
async def list_users(request: Request) -> Response:
    async def act(tenant_id: str) -> Response:
        attribute, value = sought(request.query_params.get("filter", ""), USER_FILTERS)
        offset, limit = _page(request)
        found = await request.app.state.scim.ListScimUsers(
            wire.ListScimUsersRequest(
                tenant_id=tenant_id,
                filter=wire.ScimFilter(attribute=attribute, value=value),
                offset=offset,
                limit=limit,
            ),
            timeout=SECONDS,
        )
        return _list([_user(each) for each in found.users], found.total, offset)

    return await _answered(request, act)


@router.post("/Users")
async def create_user(request: Request) -> Response:
    async def act(tenant_id: str) -> Response:
        resource = await _body(request)
        made = await request.app.state.scim.CreateScimUser(
            wire.CreateScimUserRequest(
                tenant_id=tenant_id, user=_new_user(resource), password=text_of(resource, "password")
            ),
            timeout=SECONDS,
        )
        return _shown(request, _user(made.user), 201)

    return await _answered(request, act)


@router.get("/Users/{identity}")
async def get_user(identity: str, request: Request) -> Response:
    async def act(tenant_id: str) -> Response:
        return _shown(request, await _one_user(request, tenant_id, identity))

    return await _answered(request, act)


def user_update(
    tenant_id: str, identity: str, before: dict[str, Any], given: dict[str, Any], *, patch: bool
) -> wire.UpdateScimUserRequest:
    """What a PATCH or a PUT asks for, of a user as it was before."""
    # Of a PATCH that does not name it, what it was says nothing: it may be the operator who suspended the account.
    unsaid = {name: value for name, value in before.items() if name != "active"}
    wanted = patched(unsaid, given, USER_PATHS) if patch else given
    keeps_active = patch and "active" not in wanted
    # A directory of before does not know `keeps_active`: it is told what already is.
    said = {**wanted, "active": before["active"]} if keeps_active else wanted
    return wire.UpdateScimUserRequest(
        tenant_id=tenant_id,
        user=_new_user(said, identity),
        password=text_of(wanted, "password"),
        # A PUT that does not name them leaves them: identity providers do not send what they do not know.
        sets_roles=roles_of(wanted) is not None,
        keeps_active=keeps_active,
    )


async def _change_user(identity: str, request: Request, patch: bool) -> Response:
    async def act(tenant_id: str) -> Response:
        before, given = await _one_user(request, tenant_id, identity), await _body(request)
        _check_version(request, before)
        made = await request.app.state.scim.UpdateScimUser(
            user_update(tenant_id, identity, before, given, patch=patch), timeout=SECONDS
        )
        return _shown(request, _user(made.user))

    return await _answered(request, act)


@router.put("/Users/{identity}")
async def replace_user(identity: str, request: Request) -> Response:
    return await _change_user(identity, request, patch=False)


@router.patch("/Users/{identity}")
async def patch_user(identity: str, request: Request) -> Response:
    return await _change_user(identity, request, patch=True)


@router.delete("/Users/{identity}")
async def delete_user(identity: str, request: Request) -> Response:
    async def act(tenant_id: str) -> Response:
        _check_version(request, await _one_user(request, tenant_id, identity))
        await request.app.state.scim.DeleteScimUser(
            wire.DeleteScimUserRequest(tenant_id=tenant_id, account_id=identity), timeout=SECONDS
        )
        return Response(status_code=204)

    return await _answered(request, act)


@router.get("/Groups")
async def list_groups(request: Request) -> Response:
    async def act(tenant_id: str) -> Response:
        attribute, value = sought(request.query_params.get("filter", ""), GROUP_FILTERS)
        offset, limit = _page(request)
        found = await request.app.state.scim.ListScimGroups(
            wire.ListScimGroupsRequest(
                tenant_id=tenant_id,
                filter=wire.ScimFilter(attribute=attribute, value=value),
                offset=offset,
                limit=limit,
            ),
            timeout=SECONDS,
        )
        return _list([_group(each) for each in found.groups], found.total, offset)

    return await _answered(request, act)


@router.post("/Groups")
async def create_group(request: Request) -> Response:
    async def act(tenant_id: str) -> Response:
        made = await request.app.state.scim.CreateScimGroup(
            wire.CreateScimGroupRequest(tenant_id=tenant_id, group=_new_group(await _body(request))),
            timeout=SECONDS,
        )
        return _shown(request, _group(made.group), 201)

    return await _answered(request, act)


@router.get("/Groups/{identity}")
async def get_group(identity: str, request: Request) -> Response:
    async def act(tenant_id: str) -> Response:
        return _shown(request, _group(await _one_group(request, tenant_id, identity)))

    return await _answered(request, act)


async def _change_group(identity: str, request: Request, patch: bool) -> Response:
    async def act(tenant_id: str) -> Response:
        given = await _body(request)
        for left in reversed(range(CHANGE_TRIES)):
            before = await _one_group(request, tenant_id, identity)
            shown = _group(before)
            _check_version(request, shown)
            wanted = patched(shown, given, GROUP_PATHS) if patch else given
            update = wire.UpdateScimGroupRequest(tenant_id=tenant_id, group=_new_group(wanted, identity))
            # Two that add a member each must not write over each other; a PUT without a condition may.
            if patch or "if-match" in request.headers:
                update.before.CopyFrom(before)
            try:
                made = await request.app.state.scim.UpdateScimGroup(update, timeout=SECONDS)
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.ABORTED or not left:
                    raise
                continue
            return _shown(request, _group(made.group))
        raise AssertionError("the last try ends it")

    return await _answered(request, act)


@router.put("/Groups/{identity}")
async def replace_group(identity: str, request: Request) -> Response:
    return await _change_group(identity, request, patch=False)


@router.patch("/Groups/{identity}")
async def patch_group(identity: str, request: Request) -> Response:
    return await _change_group(identity, request, patch=True)


@router.delete("/Groups/{identity}")
async def delete_group(identity: str, request: Request) -> Response:
    async def act(tenant_id: str) -> Response:
        _check_version(request, _group(await _one_group(request, tenant_id, identity)))
        await request.app.state.scim.DeleteScimGroup(
            wire.DeleteScimGroupRequest(tenant_id=tenant_id, group_id=identity), timeout=SECONDS
        )
        return Response(status_code=204)

    return await _answered(request, act)


@router.get("/ServiceProviderConfig")
async def service_provider_config(request: Request) -> Response:
    async def act(_tenant_id: str) -> Response:
        return JSONResponse(
            {
                "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
                "patch": {"supported": True},
                "bulk": {"supported": False, "maxOperations": 0, "maxPayloadSize": 0},
                "filter": {"supported": True, "maxResults": PAGE_MOST},
                "changePassword": {"supported": True},
                "sort": {"supported": False},
                "etag": {"supported": True},
                "authenticationSchemes": [
                    {"type": "oauthbearertoken", "name": "Bearer token", "description": "one of the tenant's"}
                ],
            },
            media_type=MEDIA_TYPE,
        )

    return await _answered(request, act)


@router.get("/ResourceTypes")
async def resource_types(request: Request) -> Response:
    async def act(_tenant_id: str) -> Response:
        kinds = [
            {
                "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"],
                "id": name,
                "name": name,
                "endpoint": f"/{name}s",
                "schema": schema,
            }
            for name, schema in (("User", USER), ("Group", GROUP))
        ]
        return _list(kinds, len(kinds), 0)

    return await _answered(request, act)
