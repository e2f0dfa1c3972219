"""Errors of ours as gRPC status codes with their sentence."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import grpc
from pgkit import DatabaseUnavailable

from mta_queue.core.egress import SourceInvalid
from mta_queue.core.hooks import HookInvalid
from mta_queue.core.item_filter import FilterInvalid
from mta_queue.core.records import Missing
from mta_queue.core.route import RouteInvalid
from mta_queue.core.shaping import ShapeInvalid

S = TypeVar("S")
Q = TypeVar("Q")
A = TypeVar("A")
Context = grpc.aio.ServicerContext[Any, Any]

CODES: tuple[tuple[type[Exception], grpc.StatusCode], ...] = (
    (FilterInvalid, grpc.StatusCode.INVALID_ARGUMENT),
    (ShapeInvalid, grpc.StatusCode.INVALID_ARGUMENT),
    (HookInvalid, grpc.StatusCode.INVALID_ARGUMENT),
    (RouteInvalid, grpc.StatusCode.INVALID_ARGUMENT),
    (SourceInvalid, grpc.StatusCode.INVALID_ARGUMENT),
    (Missing, grpc.StatusCode.NOT_FOUND),
    (DatabaseUnavailable, grpc.StatusCode.UNAVAILABLE),
)


def mapped(method: Callable[[S, Q, Context], Awaitable[A]]) -> Callable[[S, Q, Context], Awaitable[A]]:
    """A method whose errors become status codes."""

    async def call(self: S, request: Q, context: Context) -> A:
        try:
            return await method(self, request, context)
        except tuple(kind for kind, _ in CODES) as error:
            code = next(code for kind, code in CODES if isinstance(error, kind))
            await context.abort(code, str(error))
            raise

    return call
