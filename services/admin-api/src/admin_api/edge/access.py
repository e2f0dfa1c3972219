"""/v1/accounts/{account}/app-passwords, /v1/accounts/{account}/sign-ins and /v1/login-limits."""

from fastapi import APIRouter, FastAPI, Request
from mailwire.directory.v1 import access_pb2 as wire
from mailwire.directory.v1.access_pb2_grpc import DirectoryAccessServiceStub

from admin_api.access_models import AppPassword, Lifted, LoginLimit, MadeAppPassword, NewAppPassword, SignIn
from admin_api.adapters import access
from admin_api.adapters.access import SECONDS
from admin_api.edge.tenants import PageSize, PageToken
from admin_api.models import Page

router = APIRouter()


def attach(app: FastAPI, stub: DirectoryAccessServiceStub) -> None:
    """Give the routes their stub."""
    app.state.access = stub


@router.post("/v1/accounts/{account:path}/app-passwords", status_code=201, tags=["app passwords"])
async def create_app_password(account: str, new: NewAppPassword, request: Request) -> MadeAppPassword:
    """Make an app password. It is in this answer and in no other."""
    made = await request.app.state.access.CreateAppPassword(
        wire.CreateAppPasswordRequest(
            account=account, name=new.name, scopes=new.scopes, expires_at=access.stamp(new.expires_at)
        ),
        timeout=SECONDS,
    )
    return access.made_app_password(made)


@router.get("/v1/accounts/{account:path}/app-passwords", tags=["app passwords"])
async def list_app_passwords(account: str, request: Request) -> Page[AppPassword]:
    """All app passwords of an account, by name; there are at most 50."""
    found = await request.app.state.access.ListAppPasswords(
        wire.ListAppPasswordsRequest(account=account), timeout=SECONDS
    )
    return Page(items=[access.app_password(each) for each in found.app_passwords])


@router.delete(
    "/v1/accounts/{account:path}/app-passwords/{app_password_id}", status_code=204, tags=["app passwords"]
)
async def delete_app_password(account: str, app_password_id: str, request: Request) -> None:
    """Revoke an app password, at once."""
    await request.app.state.access.DeleteAppPassword(
        wire.DeleteAppPasswordRequest(account=account, app_password_id=app_password_id), timeout=SECONDS
    )


@router.get("/v1/accounts/{account:path}/sign-ins", tags=["logins"])
async def list_sign_ins(
    account: str, request: Request, size: PageSize = 100, page: PageToken = ""
) -> Page[SignIn]:
    """Who came into an account, or tried; the latest first. Kept for 90 days, failures for 30."""
    found = await request.app.state.access.ListSignIns(
        wire.ListSignInsRequest(account=account, page_size=size, page_token=page), timeout=SECONDS
    )
    return Page(items=[access.sign_in(each) for each in found.sign_ins], next_page=found.next_page_token)


@router.get("/v1/login-limits", tags=["logins"])
async def list_login_limits(
    request: Request, account: str = "", client_address: str = "", size: PageSize = 100, page: PageToken = ""
) -> Page[LoginLimit]:
    """Failed logins that still count, of all or of an account or a client's address; and who must wait."""
    found = await request.app.state.access.ListLoginLimits(
        wire.ListLoginLimitsRequest(
            account=account, client_address=client_address, page_size=size, page_token=page
        ),
        timeout=SECONDS,
    )
    return Page(
        items=[access.login_limit(each) for each in found.login_limits], next_page=found.next_page_token
    )


@router.delete("/v1/login-limits", tags=["logins"])
async def lift_login_limits(request: Request, account: str = "", client_address: str = "") -> Lifted:
    """Forget failed logins of an account, of a client's address, or of one from the other."""
    lifted = await request.app.state.access.LiftLoginLimits(
        wire.LiftLoginLimitsRequest(account=account, client_address=client_address), timeout=SECONDS
    )
    return Lifted(lifted=lifted.lifted)
