"""What every method has in common: errors of ours as gRPC status codes, and no control characters in orders, at any depth."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

import grpc
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from pgkit import DatabaseUnavailable, OutsideTenant, only_within

from directory.adapters.issuers import IssuerUnavailable
from directory.core.data_keys import NoKeyProvider, ProviderUnavailable
from directory.core.names import NameInvalid, check_text, is_id
from directory.edge.hashing import Crowded
from directory.ports import InUse, Missing, Stale, Taken

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
# Lines of text are allowed in some of it: core/choices.py, core/ldap.py.
WITH_LINES = frozenset({"policy", "settings", "ca_certificates"})

CODES: tuple[tuple[type[Exception], grpc.StatusCode], ...] = (
    (NameInvalid, grpc.StatusCode.INVALID_ARGUMENT),
    (Missing, grpc.StatusCode.NOT_FOUND),
    (OutsideTenant, grpc.StatusCode.NOT_FOUND),
    (Taken, grpc.StatusCode.ALREADY_EXISTS),
    (InUse, grpc.StatusCode.FAILED_PRECONDITION),
    (Stale, grpc.StatusCode.ABORTED),
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


def _check_texts(message: Message) -> None:
    """Raises NameInvalid."""
    for field, value in message.ListFields():
        if field.name in SECRETS or field.name in WITH_LINES:
            continue
        for each in (value,) if isinstance(value, str | Message) else value if _has_texts(field) else ():
            if isinstance(each, Message):
                _check_texts(each)
            else:
                check_text(each)


def _has_texts(field: FieldDescriptor) -> bool:
    return field.type in (field.TYPE_STRING, field.TYPE_MESSAGE)


def order(
    method: Callable[[S, M, "grpc.aio.ServicerContext[Any, Any]"], Awaitable[A]],
) -> Callable[[S, M, "grpc.aio.ServicerContext[Any, Any]"], Awaitable[A]]:
    """An operator's order: `mapped`, and none of its texts has a control character, those of what is in it neither."""

    async def call(self: S, request: M, context: "grpc.aio.ServicerContext[Any, Any]") -> A:
        _check_texts(request)
        return await method(self, request, context)

    return mapped(call)
