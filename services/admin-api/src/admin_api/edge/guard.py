"""The operator's token (RFC 6750), compared in constant time.

It is asked for before anything else of a request is looked at, for every path
under /v1, those that do not exist included: a route cannot be forgotten.
"""

import hmac

from fastapi import Request, Response
from fastapi.security import HTTPBearer

from admin_api.edge.problems import problem

GUARDED = "/v1"
LEAST_CHARACTERS = 16
# For the OpenAPI document: what the routes ask for.
BEARER = HTTPBearer(auto_error=False, description="the operator's token")


class TokenWeak(ValueError):
    """The token is missing or could be guessed."""


def check(token: str) -> str:
    """Raises TokenWeak."""
    if len(token) < LEAST_CHARACTERS:
        raise TokenWeak(
            f"the operator's token has fewer than {LEAST_CHARACTERS} characters; set a longer one"
        )
    return token


def refusal(request: Request, token: str) -> Response | None:
    """The 401 for a request without the right token, or None."""
    # What the router looks at, not request.url: that is put together again, with the client's Host header.
    path: str = request.scope["path"]
    if path != GUARDED and not path.startswith(GUARDED + "/"):
        return None
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.encode()):
        return None
    return problem(
        401,
        "Unauthorized",
        "The operator's token is missing or wrong: send it as Authorization: Bearer TOKEN.",
        {"WWW-Authenticate": "Bearer"},
    )
