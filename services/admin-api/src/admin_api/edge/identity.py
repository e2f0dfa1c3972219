"""Addresses of accounts, /v1/delegations, /v1/deleted-accounts and /v1/domains/{name}/routing."""

from fastapi import APIRouter, FastAPI, Request
from mailwire.directory.v1 import identity_pb2 as wire
from mailwire.directory.v1.identity_pb2_grpc import DirectoryIdentityServiceStub

from admin_api.adapters import directory, identity
from admin_api.adapters.identity import SECONDS
from admin_api.edge.tenants import PageSize, PageToken
from admin_api.identity_models import (
    AccountAddress,
    Delegation,
    DeletedAccount,
    DomainRouting,
    NewAddress,
    NewDelegation,
    PrimaryAddress,
)
from admin_api.models import Account, Page

router = APIRouter()


def attach(app: FastAPI, stub: DirectoryIdentityServiceStub) -> None:
    """Give the routes their stub."""
    app.state.identity = stub


@router.get("/v1/accounts/{account:path}/addresses", tags=["addresses"])
async def list_addresses(account: str, request: Request) -> Page[AccountAddress]:
    """All addresses of an account, the primary one first; there are at most 100."""
    found = await request.app.state.identity.ListAddresses(
        wire.ListAddressesRequest(account=account), timeout=SECONDS
    )
    return Page(items=[identity.address(each) for each in found.addresses])


@router.post("/v1/accounts/{account:path}/addresses", status_code=201, tags=["addresses"])
async def add_address(account: str, new: NewAddress, request: Request) -> AccountAddress:
    """Give an account one more address, in a domain of its tenant."""
    made = await request.app.state.identity.AddAddress(
        wire.AddAddressRequest(
            account=account, address=new.address, even_if_confusable=new.even_if_confusable
        ),
        timeout=SECONDS,
    )
    return identity.address(made.address)


@router.put("/v1/accounts/{account:path}/primary-address", tags=["addresses"])
async def make_address_primary(account: str, chosen: PrimaryAddress, request: Request) -> Account:
    """Let another of its addresses be the one that an account is known by."""
    made = await request.app.state.identity.MakeAddressPrimary(
        wire.MakeAddressPrimaryRequest(account=account, address=chosen.address), timeout=SECONDS
    )
    return directory.account(made.account)


@router.delete("/v1/accounts/{account:path}/addresses/{address}", status_code=204, tags=["addresses"])
async def remove_address(account: str, address: str, request: Request) -> None:
    """Take an address from an account; not its primary one."""
    await request.app.state.identity.RemoveAddress(
        wire.RemoveAddressRequest(account=account, address=address), timeout=SECONDS
    )


@router.get("/v1/delegations", tags=["delegations"])
async def list_delegations(request: Request, address: str = "", delegate: str = "") -> Page[Delegation]:
    """Who may send for an address, or for which an account may send."""
    found = await request.app.state.identity.ListDelegations(
        wire.ListDelegationsRequest(address=address, delegate=delegate), timeout=SECONDS
    )
    return Page(items=[identity.delegation(each) for each in found.delegations])


@router.post("/v1/delegations", status_code=201, tags=["delegations"])
async def allow_delegate(new: NewDelegation, request: Request) -> Delegation:
    """Let an account send for an address of its tenant; the last word about the two counts."""
    made = await request.app.state.identity.AllowDelegate(
        wire.AllowDelegateRequest(
            address=new.address, delegate=new.delegate, right=identity.RIGHTS[new.right]
        ),
        timeout=SECONDS,
    )
    return identity.delegation(made.delegation)


@router.delete("/v1/delegations", status_code=204, tags=["delegations"])
async def revoke_delegate(request: Request, address: str, delegate: str) -> None:
    """Let it send for the address no more."""
    await request.app.state.identity.RevokeDelegate(
        wire.RevokeDelegateRequest(address=address, delegate=delegate), timeout=SECONDS
    )


@router.get("/v1/deleted-accounts", tags=["accounts"])
async def list_deleted_accounts(
    request: Request, tenant: str = "", size: PageSize = 100, page: PageToken = ""
) -> Page[DeletedAccount]:
    """Accounts that were deleted and can be restored, of all tenants or of one."""
    found = await request.app.state.identity.ListDeletedAccounts(
        wire.ListDeletedAccountsRequest(tenant=tenant, page_size=size, page_token=page), timeout=SECONDS
    )
    return Page(
        items=[identity.deleted_account(each) for each in found.accounts], next_page=found.next_page_token
    )


@router.post("/v1/deleted-accounts/{account_id}/restore", tags=["accounts"])
async def restore_account(account_id: str, request: Request) -> Account:
    """Bring a deleted account back, with its addresses, passwords and mail."""
    made = await request.app.state.identity.RestoreAccount(
        wire.RestoreAccountRequest(account_id=account_id), timeout=SECONDS
    )
    return directory.account(made.account)


@router.delete("/v1/deleted-accounts/{account_id}", status_code=204, tags=["accounts"])
async def remove_deleted_account(account_id: str, request: Request) -> None:
    """Remove a deleted account now and for good."""
    await request.app.state.identity.RemoveDeletedAccount(
        wire.RemoveDeletedAccountRequest(account_id=account_id), timeout=SECONDS
    )


@router.get("/v1/domains/{name}/routing", tags=["domains"])
async def get_domain_routing(name: str, request: Request) -> DomainRouting:
    """Where mail of a domain goes that no address of its own is for."""
    found = await request.app.state.identity.GetDomainRouting(
        wire.GetDomainRoutingRequest(name=name), timeout=SECONDS
    )
    return identity.routing(found.routing)


@router.put("/v1/domains/{name}/routing", tags=["domains"])
async def set_domain_routing(name: str, chosen: DomainRouting, request: Request) -> DomainRouting:
    """Say so: the whole of it, what is left out is taken back."""
    made = await request.app.state.identity.SetDomainRouting(
        wire.SetDomainRoutingRequest(
            name=name,
            routing=wire.DomainRouting(alias_of=chosen.alias_of, catch_all=chosen.catch_all),
        ),
        timeout=SECONDS,
    )
    return identity.routing(made.routing)
