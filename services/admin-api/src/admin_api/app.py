"""The application: routes, errors, limits, the documentation pages.

The pages' scripts come from a wheel and not from the Internet: a cluster may
have no way out.
"""

import re
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import structlog
from fastapi import Depends, FastAPI, Request, Response
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse, RedirectResponse
from mailwire.directory.v1 import directory_pb2 as wire
from starlette.staticfiles import StaticFiles

from admin_api import metrics
from admin_api.adapters.confining import confined_to
from admin_api.edge import (
    accounts,
    callers,
    gateway,
    guard,
    keys,
    leaving,
    lists,
    mailboxes,
    problems,
    quarantine,
    queue,
    queue_pace,
    reach,
    reports,
    routes,
    scripts,
    tenants,
)
from admin_api.models import Health, Problem, Who

DESCRIPTION = """Tenants, domains, accounts and aliases of a Posthouse installation, its queue of outgoing mail, its quarantine,
its front door.

Every request but this page's own needs the operator's token: `Authorization: Bearer ...`; or an account, with
`Authorization: Basic` (its address with its password, or with an app password of the scope admin) or a token of its
tenant's OpenID provider. An account sees and chooses what is its own; with the role administrator it orders what is its
tenant's, with the role auditor it sees that.
POST /login (`login`, `password`) gives people such an app password for an hour, with a second step (`totp_code`,
`recovery_code` or `webauthn`, to /login/{challenge_id}) where they have a second factor.
Errors are problem documents (RFC 9457) with a sentence in `detail`."""

ERRORS = {
    code: {"model": Problem, "description": text}
    for code, text in {
        401: "The token is missing or wrong",
        403: "The caller's role is not enough for that",
        404: "There is no such object",
        409: "It is in use, or still holds something",
        422: "The request cannot be understood",
        503: "The directory, the queue or the quarantine cannot be reached now",
    }.items()
}


def build(directory: Any, outgoing: Any, token: str, request_octets: int, questions: Any = None) -> FastAPI:
    """The application around a directory and a queue (their stubs on asyncio channels) and a token.

    `questions`: the directory's DirectoryService, asked who somebody with another token is; None: nobody. Raises
    guard.TokenWeak.
    """
    app = FastAPI(
        title="Posthouse admin API",
        version="1",
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
    )
    app.state.directory = directory
    queue.attach(app, outgoing)
    token = guard.check(token)
    problems.install(app)
    for part in (
        tenants,
        accounts,
        queue,
        queue_pace,
        quarantine,
        gateway,
        routes,
        reach,
        reports,
        keys,
        lists,
        mailboxes,
        scripts,
    ):
        app.include_router(part.router, dependencies=SHOWN, responses=ERRORS)  # type: ignore[arg-type]
    app.include_router(leaving.router)
    app.mount("/docs/assets", StaticFiles(packages=[("fastapi_offline", "static")]), name="docs-assets")

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url="/openapi.json",
            title="Posthouse admin API",
            swagger_js_url="/docs/assets/swagger-ui-bundle.js",
            swagger_css_url="/docs/assets/swagger-ui.css",
            swagger_favicon_url="/docs/assets/favicon.png",
        )

    @app.get("/", include_in_schema=False)
    async def front() -> RedirectResponse:
        return RedirectResponse("/docs")

    @app.get("/v1/whoami", tags=["health"], dependencies=SHOWN)
    async def whoami(request: Request) -> Who:
        """As whom this API takes who asks."""
        caller = callers.caller_of(request)
        if caller is None:
            return Who(address="", tenant_id="", roles=["operator"])
        return Who(address=caller.address, tenant_id=caller.tenant_id, roles=list(caller.roles))

    @app.get("/v1/health", tags=["health"], dependencies=SHOWN)
    async def health() -> Health:
        """Whether the directory answers."""
        try:
            await directory.ListTenants(wire.ListTenantsRequest(page_size=1), timeout=2.0)
        except Exception as error:
            return Health(
                status="unready", unwell={"directory": getattr(error, "details", lambda: "")() or "away"}
            )
        return Health(status="ready", unwell={})

    @app.middleware("http")
    async def limits(request: Request, go_on: Callable[[Request], Awaitable[Response]]) -> Response:
        length = request.headers.get("content-length", "0")
        response: Response
        caller: callers.Caller | Response | None = None
        if guard.is_guarded(request) and not guard.is_operator(request, token):
            caller = await callers.enter(request, questions)
        request.state.caller = caller
        if isinstance(caller, Response):
            response = caller
        elif request.headers.get("transfer-encoding") or not (length.isascii() and length.isdigit()):
            response = problems.problem(411, "Length required", "A request body needs a Content-Length.")
        elif int(length) > request_octets:
            response = problems.problem(413, "Too large", f"A request has at most {request_octets} octets.")
        elif CONTROL.search(request.scope["path"]):
            # A route's pattern would end at a line break and mean another object.
            response = problems.problem(422, "Unprocessable", "There is a control character in the path.")
        else:
            try:
                with confined_to("" if caller is None else caller.tenant_id):
                    response = await go_on(request)
            except Exception as error:
                structlog.get_logger().error("request_failed", method=request.method, exc_info=error)
                response = problems.problem(500, "Internal error", problems.OURS)
        given = request.headers.get("x-request-id", "")
        response.headers["X-Request-Id"] = (
            given if given.isascii() and given.isalnum() and len(given) <= 64 else uuid4().hex
        )
        metrics.REQUESTS.labels(
            request.method if request.method in METHODS else "other", response.status_code
        ).inc()
        return response

    return app


SHOWN = [Depends(guard.BEARER), Depends(callers.allowed)]
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
METHODS = ("GET", "POST", "PATCH", "PUT", "DELETE", "HEAD", "OPTIONS")
