"""What every method has in common: errors of ours as gRPC status codes, and no control characters in orders."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

import grpc
from google.protobuf.message import Message
from pgkit import DatabaseUnavailable, OutsideTenant, only_within

from directory.adapters.issuers import IssuerUnavailable
from directory.core.data_keys import NoKeyProvider, ProviderUnavailable
from directory.core.names import NameInvalid, check_text, is_id
from directory.edge.hashing import Crowded
from directory.ports import InUse, Missing, Taken

S = TypeVar("S")
Q = TypeVar("Q")
A = TypeVar("A")
M = TypeVar("M", bound=Message)
# Checked by rules of their own, and never in an error's text.
SECRETS = frozenset(
    {
        "password",
        "certificate",
        "client_secret",
        "secret",
        "bind_password",
        "totp_code",
        "recovery_code",
        "response_json",
        "webauthn_response_json",
    }
)

CODES: tuple[tuple[type[Exception], grpc.StatusCode], ...] = (
    (NameInvalid, grpc.StatusCode.INVALID_ARGUMENT),
    (Missing, grpc.StatusCode.NOT_FOUND),
    (OutsideTenant, grpc.StatusCode.NOT_FOUND),
    (Taken, grpc.StatusCode.ALREADY_EXISTS),
    (InUse, grpc.StatusCode.FAILED_PRECONDITION),
    (IssuerUnavailable, grpc.StatusCode.UNAVAILABLE),
    (NoKeyProvider, grpc.StatusCode.FAILED_PRECONDITION),
    (ProviderUnavailable, grpc.StatusCode.UNAVAILABLE),
    (DatabaseUnavailable, grpc.StatusCode.UNAVAILABLE),
    (Crowded, grpc.StatusCode.RESOURCE_EXHAUSTED),
)


# Of a call on behalf of a tenant's own people: their tenant's id. What is another's is not there then.
ONLY_TENANT = "posthouse-only-tenant"


def _walls(context: "grpc.aio.ServicerContext[Any, Any]") -> AbstractContextManager[None]:
    """Raises NameInvalid."""
    for key, value in context.invocation_metadata() or ():
        if key == ONLY_TENANT:
            if isinstance(value, bytes) or not is_id(value):
                raise NameInvalid("that is no tenant's id")
            return only_within(value)
    return nullcontext()


def mapped(
    method: Callable[[S, Q, "grpc.aio.ServicerContext[Any, Any]"], Awaitable[A]],
) -> Callable[[S, Q, "grpc.aio.ServicerContext[Any, Any]"], Awaitable[A]]:
    """A method whose errors become status codes with their sentence, and which stays within the tenant that is asked for."""

    async def call(self: S, request: Q, context: "grpc.aio.ServicerContext[Any, Any]") -> A:
        try:
            with _walls(context):
                return await method(self, request, context)
        except tuple(kind for kind, _ in CODES) as error:
            code = next(code for kind, code in CODES if isinstance(error, kind))
            await context.abort(code, str(error))
            raise

    return call


def order(
    method: Callable[[S, M, "grpc.aio.ServicerContext[Any, Any]"], Awaitable[A]],
) -> Callable[[S, M, "grpc.aio.ServicerContext[Any, Any]"], Awaitable[A]]:
    """An operator's order: `mapped`, and none of its texts has a control character."""

    async def call(self: S, request: M, context: "grpc.aio.ServicerContext[Any, Any]") -> A:
        for field, value in request.ListFields():
            if field.name not in SECRETS and field.type == field.TYPE_STRING:
                for text in (value,) if isinstance(value, str) else value:
                    check_text(text)
        return await method(self, request, context)

    return mapped(call)
