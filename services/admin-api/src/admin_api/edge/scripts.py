"""/v1/tenants/{tenant}/scripts, /v1/accounts/{account}/scripts and /v1/sieve/dry-run: scripts that run for all of a tenant's
users, what users' own were before, and trying scripts.
"""

from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Path, Query, Request
from mailwire.script.v1 import script_pb2 as wire
from mailwire.script.v1.script_pb2_grpc import ScriptAdminServiceStub

from admin_api.adapters import mailboxes, scripts
from admin_api.adapters.queue import TenantNames
from admin_api.adapters.scripts import SECONDS, answer
from admin_api.edge.callers import actor_of
from admin_api.script_models import (
    AccountScript,
    ActiveVersion,
    MadeScript,
    NewScript,
    RestoredVersion,
    ScriptContent,
    ScriptVersion,
    Trial,
    TrialOutcome,
)

router = APIRouter(prefix="/v1", tags=["scripts"])
# Included before what takes the rest of an account's path for its name.
of_accounts = APIRouter(prefix="/v1", tags=["scripts"])
Name = Annotated[str, Path(max_length=128, description="before, after, or one to be included")]
OwnName = Annotated[str, Path(max_length=512, description="the name that its user gave it")]


def attach(app: FastAPI, stub: ScriptAdminServiceStub) -> None:
    """Give the routes their stub."""
    app.state.scripts = stub


async def _id(request: Request, tenant: str) -> str:
    names: TenantNames = request.app.state.tenant_names
    return await names.id_of(tenant)


@router.get("/tenants/{tenant}/scripts")
async def list_scripts(tenant: str, request: Request) -> list[ScriptVersion]:
    """All versions of a tenant's scripts, the newest of each name first."""
    asked = wire.ListTenantScriptsRequest(tenant_id=await _id(request, tenant))
    found = await answer(request.app.state.scripts.ListTenantScripts(asked, timeout=SECONDS))
    return [scripts.version(each) for each in found.scripts]


@router.get("/tenants/{tenant}/scripts/{name}")
async def get_script(
    tenant: str,
    name: Name,
    request: Request,
    version: Annotated[int, Query(ge=0, le=2**31 - 1, description="0: the active one")] = 0,
) -> ScriptContent:
    """One version's text."""
    asked = wire.GetTenantScriptRequest(tenant_id=await _id(request, tenant), name=name, version=version)
    found = await answer(request.app.state.scripts.GetTenantScript(asked, timeout=SECONDS))
    return ScriptContent(version=found.version, script=found.content.decode("utf-8", "replace"))


@router.put("/tenants/{tenant}/scripts/{name}")
async def put_script(tenant: str, name: Name, new: NewScript, request: Request) -> MadeScript:
    """A new version, which runs from now on. before runs before each user's script, after behind it."""
    asked = wire.PutTenantScriptRequest(
        tenant_id=await _id(request, tenant), name=name, content=new.script.encode(), actor=actor_of(request)
    )
    made = await answer(request.app.state.scripts.PutTenantScript(asked, timeout=SECONDS))
    return MadeScript(version=made.version)


@router.post("/tenants/{tenant}/scripts/{name}/activate", status_code=204)
async def activate_script(tenant: str, name: Name, chosen: ActiveVersion, request: Request) -> None:
    """Go back to a version; 0: none of this name runs."""
    asked = wire.ActivateTenantScriptRequest(
        tenant_id=await _id(request, tenant), name=name, version=chosen.version, actor=actor_of(request)
    )
    await answer(request.app.state.scripts.ActivateTenantScript(asked, timeout=SECONDS))


@router.delete("/tenants/{tenant}/scripts/{name}", status_code=204)
async def delete_script(tenant: str, name: Name, request: Request) -> None:
    """All versions of a name."""
    asked = wire.DeleteTenantScriptRequest(
        tenant_id=await _id(request, tenant), name=name, actor=actor_of(request)
    )
    await answer(request.app.state.scripts.DeleteTenantScript(asked, timeout=SECONDS))


@of_accounts.get("/accounts/{account:path}/scripts")
async def list_account_scripts(account: str, request: Request) -> list[AccountScript]:
    """A user's own scripts as they are now, and what they were before: ten versions of a name are kept."""
    owner = await mailboxes.account(request.app.state.directory, account)
    asked = wire.ListAccountScriptsRequest(tenant_id=owner.tenant_id, account_id=owner.account_id)
    found = await answer(request.app.state.scripts.ListAccountScripts(asked, timeout=SECONDS))
    return [scripts.of_account(each) for each in found.scripts]


@of_accounts.get("/accounts/{account:path}/scripts/{name:path}")
async def get_account_script(
    account: str,
    name: OwnName,
    request: Request,
    version: Annotated[int, Query(ge=0, le=2**31 - 1, description="0: as it is now")] = 0,
) -> ScriptContent:
    """The text of a user's script, as it is or was."""
    owner = await mailboxes.account(request.app.state.directory, account)
    asked = wire.GetAccountScriptRequest(
        tenant_id=owner.tenant_id, account_id=owner.account_id, name=name, version=version
    )
    found = await answer(request.app.state.scripts.GetAccountScript(asked, timeout=SECONDS))
    return ScriptContent(version=version, script=found.content.decode("utf-8", "replace"))


@of_accounts.post("/accounts/{account:path}/scripts/{name:path}/restore", status_code=204)
async def restore_account_script(
    account: str, name: OwnName, chosen: RestoredVersion, request: Request
) -> None:
    """Put what a script was before in its place; what it is now stays as a version. One that is active stays active."""
    owner = await mailboxes.account(request.app.state.directory, account)
    asked = wire.RestoreAccountScriptRequest(
        tenant_id=owner.tenant_id,
        account_id=owner.account_id,
        name=name,
        version=chosen.version,
        actor=actor_of(request),
    )
    await answer(request.app.state.scripts.RestoreAccountScript(asked, timeout=SECONDS))


@router.post("/sieve/dry-run")
async def dry_run(trial: Trial, request: Request) -> TrialOutcome:
    """What a script would do with a message, each step with the line that caused it. Nothing is done."""
    owner: Any = None
    if trial.account:
        owner = await mailboxes.account(request.app.state.directory, trial.account)
    asked = wire.DryRunRequest(
        tenant_id="" if owner is None else owner.tenant_id,
        account_id="" if owner is None else owner.account_id,
        script=trial.script.encode(),
        message=trial.message.encode(),
        reverse_path=trial.sender,
        forward_path=trial.recipient or ("" if owner is None else owner.address),
    )
    return scripts.outcome(await answer(request.app.state.scripts.DryRun(asked, timeout=SECONDS)))
