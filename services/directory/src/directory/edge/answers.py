"""Errors of ours as gRPC status codes."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import grpc
from pgkit import DatabaseUnavailable

from directory.core.names import NameInvalid
from directory.ports import InUse, Missing, Taken

S = TypeVar("S")
Q = TypeVar("Q")
A = TypeVar("A")

CODES: tuple[tuple[type[Exception], grpc.StatusCode], ...] = (
    (NameInvalid, grpc.StatusCode.INVALID_ARGUMENT),
    (Missing, grpc.StatusCode.NOT_FOUND),
    (Taken, grpc.StatusCode.ALREADY_EXISTS),
    (InUse, grpc.StatusCode.FAILED_PRECONDITION),
    (DatabaseUnavailable, grpc.StatusCode.UNAVAILABLE),
)


def mapped(
    method: Callable[[S, Q, "grpc.aio.ServicerContext[Any, Any]"], Awaitable[A]],
) -> Callable[[S, Q, "grpc.aio.ServicerContext[Any, Any]"], Awaitable[A]]:
    """A method whose errors become status codes with their sentence."""

    async def call(self: S, request: Q, context: "grpc.aio.ServicerContext[Any, Any]") -> A:
        try:
            return await method(self, request, context)
        except tuple(kind for kind, _ in CODES) as error:
            code = next(code for kind, code in CODES if isinstance(error, kind))
            await context.abort(code, str(error))
            raise

    return call
