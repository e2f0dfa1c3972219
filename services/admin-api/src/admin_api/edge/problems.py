"""Errors as problem documents (RFC 9457): one shape, a sentence in `detail`."""

from http import HTTPStatus

import grpc
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

STATUS = {
    grpc.StatusCode.INVALID_ARGUMENT: (422, "Unprocessable"),
    grpc.StatusCode.NOT_FOUND: (404, "Not found"),
    grpc.StatusCode.ALREADY_EXISTS: (409, "Conflict"),
    grpc.StatusCode.FAILED_PRECONDITION: (409, "Conflict"),
    grpc.StatusCode.UNAVAILABLE: (503, "Unavailable"),
    grpc.StatusCode.DEADLINE_EXCEEDED: (503, "Unavailable"),
    # It has too much to do, or ended while it was at it.
    grpc.StatusCode.RESOURCE_EXHAUSTED: (503, "Unavailable"),
    grpc.StatusCode.CANCELLED: (503, "Unavailable"),
    grpc.StatusCode.ABORTED: (503, "Unavailable"),
}
OURS = "Something went wrong here; it has been logged."
SENTENCES = {
    400: "The body cannot be read.",
    404: "There is nothing at this path; /docs has the list of paths.",
    405: "This path does not know this method; /docs has the list.",
}
MEDIA_TYPE = "application/problem+json"


def problem(status: int, title: str, detail: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """A response with a problem document."""
    return JSONResponse(
        {"type": "about:blank", "title": title, "status": status, "detail": detail},
        status_code=status,
        media_type=MEDIA_TYPE,
        headers=headers,
    )


def install(app: FastAPI) -> None:
    """Let every error of the application come out as a problem."""

    @app.exception_handler(grpc.aio.AioRpcError)
    async def from_grpc(_request: Request, error: grpc.aio.AioRpcError) -> JSONResponse:
        status, title = STATUS.get(error.code(), (500, "Internal error"))
        if status == 503:
            return problem(
                status, title, "The directory cannot be reached now; try again later.", {"Retry-After": "2"}
            )
        if status == 500:
            structlog.get_logger().error("directory_failed", code=error.code().name, reason=error.details())
            return problem(status, title, OURS)
        return problem(status, title, error.details() or title)

    @app.exception_handler(RequestValidationError)
    async def from_validation(_request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        if first["type"] == "json_invalid":
            reason = first.get("ctx", {}).get("error", "it cannot be read")
            return problem(422, "Unprocessable", f"the body is not JSON: {reason}")
        where = ".".join(str(part) for part in first["loc"] if part not in ("body", "query", "path"))
        return problem(422, "Unprocessable", f"{where or 'the request'}: {first['msg']}")

    @app.exception_handler(HTTPException)
    async def from_http(_request: Request, error: HTTPException) -> JSONResponse:
        title = HTTPStatus(error.status_code).phrase
        sentence = SENTENCES.get(error.status_code, str(error.detail))
        return problem(error.status_code, title, sentence, dict(error.headers or {}))
