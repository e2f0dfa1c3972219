"""/v1/tenants/{tenant}/keys, /v1/keys: what tenants' bodies are encrypted with (docs/adr/0018)."""

from datetime import UTC

from fastapi import APIRouter, FastAPI, Request
from mailwire.directory.v1 import keys_pb2 as wire
from mailwire.directory.v1.keys_pb2_grpc import DirectoryKeyServiceStub

from admin_api.key_models import Deleted, Deletion, KeyUse, Rewrapped, TenantKey, Wrapping
from admin_api.models import Page

SECONDS = 15.0
# A provider may be asked twice for each key.
REWRAP_SECONDS = 600.0
router = APIRouter()


def attach(app: FastAPI, stub: DirectoryKeyServiceStub) -> None:
    """Give the routes their stub."""
    app.state.keys = stub


@router.get("/v1/tenants/{tenant}/keys", tags=["keys"])
async def list_tenant_keys(tenant: str, request: Request) -> Page[TenantKey]:
    """The keys of a tenant, the newest first; those that were deleted too."""
    found = await request.app.state.keys.ListTenantKeys(
        wire.ListTenantKeysRequest(tenant=tenant), timeout=SECONDS
    )
    return Page(items=[_key(each) for each in found.keys])


@router.post("/v1/tenants/{tenant}/keys/rotate", status_code=201, tags=["keys"])
async def rotate_tenant_key(tenant: str, request: Request) -> TenantKey:
    """Encrypt new bodies with a new key. The older ones still decrypt what they encrypted."""
    made = await request.app.state.keys.RotateTenantKey(
        wire.RotateTenantKeyRequest(tenant=tenant), timeout=SECONDS
    )
    return _key(made.key)


@router.post("/v1/tenants/{tenant}/keys/delete", tags=["keys"])
async def delete_tenant_keys(tenant: str, deletion: Deletion, request: Request) -> Deleted:
    """Delete all keys of a tenant: what they encrypted can be read by nobody any more. Nothing brings it back."""
    done = await request.app.state.keys.DeleteTenantKeys(
        wire.DeleteTenantKeysRequest(tenant=tenant, confirm_name=deletion.confirm_name), timeout=SECONDS
    )
    return Deleted(deleted=done.deleted)


@router.get("/v1/keys", tags=["keys"])
async def get_wrapping(request: Request) -> Wrapping:
    """Which key-encryption keys wrap how many tenants' keys, and which one wraps now."""
    found = await request.app.state.keys.GetWrapping(wire.GetWrappingRequest(), timeout=SECONDS)
    return Wrapping(
        current=found.current,
        uses=[KeyUse(wrapped_with=each.wrapped_with, keys=each.keys) for each in found.uses],
    )


@router.post("/v1/keys/rewrap", tags=["keys"])
async def rewrap_keys(request: Request) -> Rewrapped:
    """Wrap every tenant's keys with the current key-encryption key. No body is touched; can be asked for again."""
    done = await request.app.state.keys.RewrapKeys(wire.RewrapKeysRequest(), timeout=REWRAP_SECONDS)
    return Rewrapped(rewrapped=done.rewrapped, unopened=done.unopened)


def _key(message: wire.TenantKey) -> TenantKey:
    return TenantKey(
        version=message.version,
        encrypts=message.encrypts,
        wrapped_with=message.wrapped_with,
        created_at=message.created_at.ToDatetime(UTC),
        deleted_at=message.deleted_at.ToDatetime(UTC) if message.HasField("deleted_at") else None,
    )
