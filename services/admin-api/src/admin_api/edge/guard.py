"""The operator's token (RFC 6750), compared in constant time; who has another one is asked about (edge/callers.py).

It is asked for before anything else of a request is looked at, for every path
under /v1, those that do not exist included: a route cannot be forgotten.
"""

import hmac

from fastapi import Request
from fastapi.security import HTTPBearer

GUARDED = "/v1"
LEAST_CHARACTERS = 16
# For the OpenAPI document: what the routes ask for.
BEARER = HTTPBearer(
    auto_error=False, description="the operator's token, or one of a tenant's OpenID provider"
)


class TokenWeak(ValueError):
    """The token is missing or could be guessed."""


def check(token: str) -> str:
    """Raises TokenWeak."""
    if len(token) < LEAST_CHARACTERS:
        raise TokenWeak(
            f"the operator's token has fewer than {LEAST_CHARACTERS} characters; set a longer one"
        )
    return token


def is_guarded(request: Request) -> bool:
    """Whether something is to be shown for this path."""
    # What the router looks at, not request.url: that is put together again, with the client's Host header.
    path: str = request.scope["path"]
    return path == GUARDED or path.startswith(GUARDED + "/")


def is_operator(request: Request, token: str) -> bool:
    """Whether the request has the right token."""
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.encode())
