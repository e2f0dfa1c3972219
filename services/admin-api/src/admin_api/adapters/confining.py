"""Calls on behalf of one tenant's people: the directory is told whose rows there are, and shows no others."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import grpc
from grpc.aio import ClientCallDetails, Metadata

# As the directory reads it.
ONLY_TENANT = "posthouse-only-tenant"

_only: ContextVar[str] = ContextVar("admin_api_only_tenant", default="")


@contextmanager
def confined_to(tenant_id: str) -> Iterator[None]:
    """Every call to the directory is on behalf of this tenant's people."""
    token = _only.set(tenant_id)
    try:
        yield
    finally:
        _only.reset(token)


def is_confined() -> bool:
    """Whether what is done now is done on behalf of a tenant's people."""
    return _only.get() != ""


class Confining(grpc.aio.UnaryUnaryClientInterceptor):  # type: ignore[type-arg]
    """Says with each call to the directory whose rows there are."""

    async def intercept_unary_unary(
        self,
        continuation: Callable[[ClientCallDetails, Any], Awaitable[Any]],
        client_call_details: ClientCallDetails,
        request: Any,
    ) -> Any:
        if (tenant_id := _only.get()) == "":
            return await continuation(client_call_details, request)
        details = ClientCallDetails(
            client_call_details.method,
            client_call_details.timeout,
            Metadata(*(client_call_details.metadata or ()), (ONLY_TENANT, tenant_id)),
            client_call_details.credentials,
            client_call_details.wait_for_ready,
        )
        return await continuation(details, request)
