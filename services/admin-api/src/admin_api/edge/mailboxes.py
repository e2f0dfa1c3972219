"""/v1/shared-mailboxes and /v1/mailboxes: accounts that several people share, and who may do what (RFC 4314)."""

from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, HTTPException, Query, Request
from mailwire.directory.v1 import directory_pb2, sharing_pb2
from mailwire.mailbox.v1 import admin_pb2 as wire

from admin_api.adapters import directory, mailboxes
from admin_api.adapters.mailboxes import SECONDS, answer
from admin_api.mailbox_models import ADDRESS_OR_ID, Mailbox, NewMailbox, NewShared, Rights, RightsChange
from admin_api.models import Account

router = APIRouter(prefix="/v1", tags=["mailboxes"])
Named = Annotated[str, Query(description=ADDRESS_OR_ID, max_length=320)]


def attach(app: FastAPI, stub: Any, sharing: Any) -> None:
    """Give the routes their stubs: the mda's and the directory's."""
    app.state.mailboxes = stub
    app.state.sharing = sharing


@router.post("/shared-mailboxes", status_code=201)
async def create_shared(new: NewShared, request: Request) -> Account:
    """An address with mailboxes and without a password: whom it is shared with get rights to its mailboxes."""
    made = await request.app.state.sharing.CreateSharedAccount(
        sharing_pb2.CreateSharedAccountRequest(
            address=new.address,
            display_name=new.display_name,
            even_if_confusable=new.even_if_confusable,
        ),
        timeout=directory.SECONDS,
    )
    return directory.account(made.account)


@router.delete("/shared-mailboxes", status_code=204)
async def delete_shared(account: Named, request: Request) -> None:
    """Delete a shared account; one that somebody owns is refused here."""
    found = await mailboxes.account(request.app.state.directory, account)
    if not found.shared:
        raise HTTPException(409, f"{found.address} is somebody's own account.")
    await request.app.state.directory.DeleteAccount(
        directory_pb2.DeleteAccountRequest(account=found.account_id), timeout=directory.SECONDS
    )


@router.get("/mailboxes")
async def list_mailboxes(account: Named, request: Request) -> list[Mailbox]:
    """The mailboxes of an account, and who beside its owner may do what."""
    owner = await mailboxes.account(request.app.state.directory, account)
    found = await answer(
        request.app.state.mailboxes.ListMailboxes(
            wire.ListMailboxesRequest(tenant_id=owner.tenant_id, account_id=owner.account_id),
            timeout=SECONDS,
        )
    )
    identifiers = {identifier for each in found.mailboxes for identifier in each.rights}
    shown = await mailboxes.names(request.app.state.sharing, owner.tenant_id, identifiers)
    return [
        Mailbox(
            name=each.name,
            messages=each.messages,
            unseen=each.unseen,
            size_octets=each.size_octets,
            rights={
                ("-" if key.startswith("-") else "") + shown[key.removeprefix("-")]: letters
                for key, letters in sorted(each.rights.items())
            },
        )
        for each in found.mailboxes
    ]


@router.post("/mailboxes", status_code=204)
async def create_mailbox(new: NewMailbox, request: Request) -> None:
    """Create a mailbox in an account, and those above it."""
    owner = await mailboxes.account(request.app.state.directory, new.account)
    await answer(
        request.app.state.mailboxes.CreateMailbox(
            wire.CreateMailboxRequest(tenant_id=owner.tenant_id, account_id=owner.account_id, name=new.name),
            timeout=SECONDS,
        )
    )


@router.delete("/mailboxes", status_code=204)
async def delete_mailbox(account: Named, name: str, request: Request) -> None:
    """Delete a mailbox with its messages."""
    owner = await mailboxes.account(request.app.state.directory, account)
    await answer(
        request.app.state.mailboxes.DeleteMailbox(
            wire.DeleteMailboxRequest(tenant_id=owner.tenant_id, account_id=owner.account_id, name=name),
            timeout=SECONDS,
        )
    )


@router.put("/mailboxes/rights")
async def set_rights(change: RightsChange, request: Request) -> Rights:
    """Give somebody rights to a mailbox, or to all of an account."""
    owner = await mailboxes.account(request.app.state.directory, change.account)
    identifier = await mailboxes.kept(request.app.state.directory, owner, change.identifier)
    done = await answer(
        request.app.state.mailboxes.SetRights(
            wire.SetRightsRequest(
                tenant_id=owner.tenant_id,
                account_id=owner.account_id,
                name=change.name,
                identifier=identifier,
                rights=change.rights,
            ),
            timeout=SECONDS,
        )
    )
    return Rights(rights=done.rights)
