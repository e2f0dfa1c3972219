"""Errors as problem documents (RFC 9457): one shape, a sentence in `detail`."""

import grpc
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
        detail = (
            error.details() or title if status != 500 else "Something went wrong here; it has been logged."
        )
        return problem(status, title, detail)

    @app.exception_handler(RequestValidationError)
    async def from_validation(_request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"] if part not in ("body", "query", "path"))
        return problem(422, "Unprocessable", f"{where or 'the request'}: {first['msg']}")

    @app.exception_handler(HTTPException)
    async def from_http(_request: Request, error: HTTPException) -> JSONResponse:
        return problem(error.status_code, str(error.detail), str(error.detail), dict(error.headers or {}))
