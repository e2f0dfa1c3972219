"""/v1/accounts and /v1/aliases."""

from fastapi import APIRouter, Request
from mailwire.directory.v1 import directory_pb2 as wire

from admin_api.adapters import directory
from admin_api.edge import access, certificates, identity, scripts, second_factors
from admin_api.edge.tenants import PageSize, PageToken
from admin_api.models import Account, AccountChange, Alias, AliasChange, NewAccount, NewAlias, Page

router = APIRouter()
# First, for the path of an account would swallow what stands below it.
router.include_router(access.router)
router.include_router(identity.router)
router.include_router(certificates.of_accounts)
router.include_router(second_factors.router)
router.include_router(scripts.of_accounts)


@router.post("/v1/accounts", status_code=201, tags=["accounts"])
async def create_account(new: NewAccount, request: Request) -> Account:
    """Create an account in a domain that is here; the tenant is the domain's."""
    answer = await request.app.state.directory.CreateAccount(
        wire.CreateAccountRequest(
            address=new.address,
            password=new.password.get_secret_value(),
            display_name=new.display_name,
            even_if_confusable=new.even_if_confusable,
            roles=new.roles,
        ),
        timeout=directory.SECONDS,
    )
    return directory.account(answer.account)


@router.get("/v1/accounts", tags=["accounts"])
async def list_accounts(
    request: Request, tenant: str = "", domain: str = "", size: PageSize = 100, page: PageToken = ""
) -> Page[Account]:
    """All accounts, or those of a tenant or domain, by address."""
    answer = await request.app.state.directory.ListAccounts(
        wire.ListAccountsRequest(tenant=tenant, domain=domain, page_size=size, page_token=page),
        timeout=directory.SECONDS,
    )
    return Page(items=[directory.account(each) for each in answer.accounts], next_page=answer.next_page_token)


@router.get("/v1/accounts/{account:path}", tags=["accounts"])
async def get_account(account: str, request: Request) -> Account:
    """One account by its address or id."""
    answer = await request.app.state.directory.GetAccount(
        wire.GetAccountRequest(account=account), timeout=directory.SECONDS
    )
    return directory.account(answer.account)


@router.patch("/v1/accounts/{account:path}", tags=["accounts"])
async def update_account(account: str, change: AccountChange, request: Request) -> Account:
    """Change an account: its name, its password, its roles, whether it is suspended."""
    answer = await request.app.state.directory.UpdateAccount(
        wire.UpdateAccountRequest(
            account=account,
            display_name=change.display_name,
            suspended=change.suspended,
            suspended_by_tenant=change.suspended_by_tenant,
            password=change.password.get_secret_value() if change.password is not None else None,
            roles=None if change.roles is None else wire.Roles(names=change.roles),
        ),
        timeout=directory.SECONDS,
    )
    return directory.account(answer.account)


@router.delete("/v1/accounts/{account:path}", status_code=204, tags=["accounts"])
async def delete_account(account: str, request: Request) -> None:
    """Delete an account; for some days it can be restored. Its addresses are free at once."""
    await request.app.state.directory.DeleteAccount(
        wire.DeleteAccountRequest(account=account), timeout=directory.SECONDS
    )


@router.post("/v1/aliases", status_code=201, tags=["aliases"])
async def create_alias(new: NewAlias, request: Request) -> Alias:
    """Create an alias in a domain that is here."""
    answer = await request.app.state.directory.CreateAlias(
        wire.CreateAliasRequest(
            address=new.address, targets=new.targets, even_if_confusable=new.even_if_confusable
        ),
        timeout=directory.SECONDS,
    )
    return directory.alias(answer.alias)


@router.get("/v1/aliases", tags=["aliases"])
async def list_aliases(
    request: Request, tenant: str = "", domain: str = "", size: PageSize = 100, page: PageToken = ""
) -> Page[Alias]:
    """All aliases, or those of a tenant or domain, by address."""
    answer = await request.app.state.directory.ListAliases(
        wire.ListAliasesRequest(tenant=tenant, domain=domain, page_size=size, page_token=page),
        timeout=directory.SECONDS,
    )
    return Page(items=[directory.alias(each) for each in answer.aliases], next_page=answer.next_page_token)


@router.get("/v1/aliases/{address:path}", tags=["aliases"])
async def get_alias(address: str, request: Request) -> Alias:
    """One alias."""
    answer = await request.app.state.directory.GetAlias(
        wire.GetAliasRequest(address=address), timeout=directory.SECONDS
    )
    return directory.alias(answer.alias)


@router.put("/v1/aliases/{address:path}", tags=["aliases"])
async def update_alias(address: str, change: AliasChange, request: Request) -> Alias:
    """Replace an alias's targets."""
    answer = await request.app.state.directory.UpdateAlias(
        wire.UpdateAliasRequest(address=address, targets=change.targets), timeout=directory.SECONDS
    )
    return directory.alias(answer.alias)


@router.delete("/v1/aliases/{address:path}", status_code=204, tags=["aliases"])
async def delete_alias(address: str, request: Request) -> None:
    """Delete an alias."""
    await request.app.state.directory.DeleteAlias(
        wire.DeleteAliasRequest(address=address), timeout=directory.SECONDS
    )
