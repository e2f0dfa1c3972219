"""/unsubscribe: where members leave a mailing list. The world reaches it, and the token in its path is all that it asks for.

Programs of readers send POST with `List-Unsubscribe=One-Click` (RFC 8058 §3.2); people, and programs that look what links
lead to, send GET, which shows a page with a button and changes nothing. The page needs nothing from anywhere.
"""

from html import escape
from urllib.parse import parse_qs

import grpc
from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import HTMLResponse
from mailwire.directory.v1 import membership_pb2 as wire
from mailwire.directory.v1.membership_pb2_grpc import DirectoryMembershipServiceStub

from admin_api.adapters.directory import SECONDS

router = APIRouter(include_in_schema=False)
TOKEN_CHARACTERS = 50
BODY_OCTETS = 4096
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>body {{ font: 1.1rem/1.5 sans-serif; max-width: 34rem; margin: 4rem auto; padding: 0 1rem }}
button {{ font: inherit; padding: .4rem 1.2rem }}</style></head>
<body><h1>{title}</h1>{body}</body></html>
"""
FORM = (
    '<form method="post"><input type="hidden" name="List-Unsubscribe" value="One-Click">'
    '<button type="submit">Leave the list</button></form>'
)


def attach(app: FastAPI, stub: DirectoryMembershipServiceStub) -> None:
    """Give the routes their stub."""
    app.state.membership = stub


def _page(status: int, title: str, body: str) -> HTMLResponse:
    return HTMLResponse(PAGE.format(title=escape(title), body=body), status, HEADERS)


def _nobodys() -> HTMLResponse:
    return _page(
        404,
        "This link is not valid any more",
        "<p>You have left this list already, or the link was cut off on its way.</p>",
    )


def _fault(error: grpc.aio.AioRpcError) -> HTMLResponse:
    if error.code() is grpc.StatusCode.NOT_FOUND:
        return _nobodys()
    return _page(503, "Please try again later", "<p>We cannot do that now. Nothing has changed.</p>")


@router.get("/unsubscribe/{token}")
async def show(token: str, request: Request) -> HTMLResponse:
    """Ask."""
    if len(token) != TOKEN_CHARACTERS:
        return _nobodys()
    try:
        found = await request.app.state.membership.ReadLeave(
            wire.ReadLeaveRequest(token=token), timeout=SECONDS
        )
    except grpc.aio.AioRpcError as error:
        return _fault(error)
    name = f"{found.list_name} ({found.list_address})" if found.list_name else found.list_address
    return _page(
        200,
        "Leave this mailing list?",
        f"<p>{escape(found.address)} gets the mail of {escape(name)}.</p>{FORM}",
    )


@router.post("/unsubscribe/{token}")
async def leave(token: str, request: Request) -> HTMLResponse:
    """Do it."""
    if len(token) != TOKEN_CHARACTERS:
        return _nobodys()
    if not _is_one_click(request.headers.get("content-type", ""), await request.body()):
        return _page(400, "That was no request to leave", "<p>Open the link, and use its button.</p>")
    try:
        done = await request.app.state.membership.Leave(wire.LeaveRequest(token=token), timeout=SECONDS)
    except grpc.aio.AioRpcError as error:
        return _fault(error)
    return _page(
        200,
        "You have left the list",
        f"<p>{escape(done.address)} gets no mail of {escape(done.list_address)} any more.</p>",
    )


def _is_one_click(content_type: str, body: bytes) -> bool:
    """The pair of RFC 8058 §3.1, in either of its two forms."""
    if len(body) > BODY_OCTETS:
        return False
    if content_type.lower().startswith("multipart/form-data"):
        lines = [line.strip().lower() for line in body.split(b"\r\n")]
        return b"one-click" in lines and any(
            line.startswith(b"content-disposition:") and b'name="list-unsubscribe"' in line for line in lines
        )
    pairs = parse_qs(body.decode("latin-1"), max_num_fields=10) if body.count(b"&") < 10 else {}
    return pairs.get("List-Unsubscribe") == ["One-Click"]
