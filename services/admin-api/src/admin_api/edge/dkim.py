"""/v1/domains/{name}/dkim."""

from fastapi import APIRouter, FastAPI, Request
from mailwire.directory.v1 import dkim_pb2 as wire
from mailwire.directory.v1.dkim_pb2_grpc import DirectoryDkimServiceStub

from admin_api.adapters import dkim
from admin_api.adapters.dkim import SECONDS
from admin_api.dkim_models import DkimKey, NewDkimKeys
from admin_api.models import Page

router = APIRouter()


def attach(app: FastAPI, stub: DirectoryDkimServiceStub) -> None:
    """Give the routes their stub."""
    app.state.dkim = stub


@router.post("/v1/domains/{name}/dkim", status_code=201, tags=["dkim"])
async def create_dkim_keys(name: str, new: NewDkimKeys, request: Request) -> Page[DkimKey]:
    """Make keys that sign for a domain: they sign from now on, beside those that it has. Publish their records in DNS."""
    made = await request.app.state.dkim.CreateDkimKeys(
        wire.CreateDkimKeysRequest(
            domain=name,
            selector=new.selector,
            algorithms=[dkim.ALGORITHMS[each] for each in new.algorithms],
        ),
        timeout=SECONDS,
    )
    return Page(items=[dkim.dkim_key(each) for each in made.keys])


@router.get("/v1/domains/{name}/dkim", tags=["dkim"])
async def list_dkim_keys(name: str, request: Request) -> Page[DkimKey]:
    """All keys that sign for a domain, the oldest first; there are at most 8."""
    found = await request.app.state.dkim.ListDkimKeys(wire.ListDkimKeysRequest(domain=name), timeout=SECONDS)
    return Page(items=[dkim.dkim_key(each) for each in found.keys])


@router.delete("/v1/domains/{name}/dkim/{selector}", status_code=204, tags=["dkim"])
async def delete_dkim_key(name: str, selector: str, request: Request) -> None:
    """Sign with it no more. Leave its record in DNS for a week: mail that it signed is still on its way."""
    await request.app.state.dkim.DeleteDkimKey(
        wire.DeleteDkimKeyRequest(domain=name, selector=selector), timeout=SECONDS
    )
