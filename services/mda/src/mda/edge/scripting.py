"""ScriptAdminService: a tenant's scripts, what users' own were before, and dry runs."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID

import grpc
from blobstore import BlobUnavailable
from directoryclient import Unavailable
from google.protobuf.timestamp_pb2 import Timestamp
from mailmodel import AccountRef
from mailmsg.header import header_end
from mailstore import MailStore, ScriptMissing, StoreUnavailable, TooManyScripts
from mailwire.script.v1 import script_pb2 as wire
from mailwire.script.v1.script_pb2_grpc import ScriptAdminServiceServicer
from servicekit import logs
from sieve import DEFAULT_LIMITS, ScriptError, Situation, Stage
from spool import Source

from mda.core.dry_run import steps
from mda.core.sieving import environment
from mda.edge.running import Input, Running, compiled

LOG = logs.logger("mda.scripting")
Context = grpc.aio.ServicerContext[Any, Any]
S = TypeVar("S")
Q = TypeVar("Q")
A = TypeVar("A")
LONGEST_NAME = 128
# As many as a ManageSieve server may be set to allow.
MOST_OF_ACCOUNT = 1000


class Invalid(ValueError):
    """What was asked makes no sense."""


CODES: tuple[tuple[type[Exception], grpc.StatusCode, str], ...] = (
    (ScriptMissing, grpc.StatusCode.NOT_FOUND, "there is no such script, or no such version of it"),
    (TooManyScripts, grpc.StatusCode.FAILED_PRECONDITION, "there are as many scripts as there may be"),
    (ScriptError, grpc.StatusCode.INVALID_ARGUMENT, ""),
    (Invalid, grpc.StatusCode.INVALID_ARGUMENT, ""),
    (StoreUnavailable, grpc.StatusCode.UNAVAILABLE, ""),
    (BlobUnavailable, grpc.StatusCode.UNAVAILABLE, ""),
    (Unavailable, grpc.StatusCode.UNAVAILABLE, ""),
)


def mapped(method: Callable[[S, Q, Context], Awaitable[A]]) -> Callable[[S, Q, Context], Awaitable[A]]:
    """A method whose errors become status codes."""

    async def call(self: S, request: Q, context: Context) -> A:
        try:
            return await method(self, request, context)
        except tuple(kind for kind, _, _ in CODES) as error:
            code, sentence = next((code, said) for kind, code, said in CODES if isinstance(error, kind))
            await context.abort(code, sentence or str(error))
            raise

    return call


def _id(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError as error:
        raise Invalid("that is no id") from error


def _name(text: str) -> str:
    if not 0 < len(text) <= LONGEST_NAME or not text.isprintable():
        raise Invalid(f"a name has 1 to {LONGEST_NAME} printable characters")
    return text


def _account(request: Any) -> AccountRef:
    return AccountRef(_id(request.tenant_id), _id(request.account_id))


def _place(script: wire.AccountScript) -> tuple[str, int]:
    """By name, what is there now first, then the newest."""
    return script.name, -script.version if script.version else -(1 << 31)


class Scripting(ScriptAdminServiceServicer):
    """Answers the operator, through admin-api."""

    def __init__(self, hostname: str, mailboxes: MailStore, running: Running) -> None:
        self._hostname = hostname
        self._mailboxes = mailboxes
        self._running = running

    @mapped
    async def ListTenantScripts(
        self, request: wire.ListTenantScriptsRequest, context: Context
    ) -> wire.ListTenantScriptsResponse:
        found = await self._mailboxes.tenant_scripts.listing(_id(request.tenant_id))
        answer = wire.ListTenantScriptsResponse()
        for each in found:
            made_at = Timestamp()
            made_at.FromDatetime(each.made_at)
            answer.scripts.add(
                name=each.name,
                version=each.version,
                active=each.is_active,
                size_octets=each.size_octets,
                made_at=made_at,
                made_by=each.made_by,
            )
        return answer

    @mapped
    async def GetTenantScript(
        self, request: wire.GetTenantScriptRequest, context: Context
    ) -> wire.GetTenantScriptResponse:
        version, content = await self._mailboxes.tenant_scripts.get(
            _id(request.tenant_id), request.name, request.version or None
        )
        return wire.GetTenantScriptResponse(version=version, content=content)

    @mapped
    async def PutTenantScript(
        self, request: wire.PutTenantScriptRequest, context: Context
    ) -> wire.PutTenantScriptResponse:
        if len(request.content) > DEFAULT_LIMITS.script_octets:
            raise Invalid(f"a script has at most {DEFAULT_LIMITS.script_octets} octets")
        program = await compiled(request.content)
        if isinstance(program, ScriptError):
            raise program
        version = await self._mailboxes.tenant_scripts.put(
            _id(request.tenant_id), _name(request.name), request.content, request.actor
        )
        self._changed("tenant_script_put", request, version)
        return wire.PutTenantScriptResponse(version=version)

    @mapped
    async def ActivateTenantScript(
        self, request: wire.ActivateTenantScriptRequest, context: Context
    ) -> wire.ActivateTenantScriptResponse:
        await self._mailboxes.tenant_scripts.activate(
            _id(request.tenant_id), request.name, max(0, request.version)
        )
        self._changed("tenant_script_activated", request, request.version)
        return wire.ActivateTenantScriptResponse()

    @mapped
    async def DeleteTenantScript(
        self, request: wire.DeleteTenantScriptRequest, context: Context
    ) -> wire.DeleteTenantScriptResponse:
        await self._mailboxes.tenant_scripts.delete(_id(request.tenant_id), request.name)
        self._changed("tenant_script_deleted", request, 0)
        return wire.DeleteTenantScriptResponse()

    @mapped
    async def ListAccountScripts(
        self, request: wire.ListAccountScriptsRequest, context: Context
    ) -> wire.ListAccountScriptsResponse:
        account, scripts = _account(request), self._mailboxes.scripts
        answer = wire.ListAccountScriptsResponse()
        found = [
            wire.AccountScript(name=each.name, active=each.is_active, size_octets=each.size_octets)
            for each in await scripts.listing(account)
        ]
        for old in await scripts.versions(account):
            found.append(wire.AccountScript(name=old.name, version=old.version, size_octets=old.size_octets))
            found[-1].made_at.FromDatetime(old.made_at)
            found[-1].replaced_at.FromDatetime(old.replaced_at)
        answer.scripts.extend(sorted(found, key=_place))
        return answer

    @mapped
    async def GetAccountScript(
        self, request: wire.GetAccountScriptRequest, context: Context
    ) -> wire.GetAccountScriptResponse:
        account, scripts = _account(request), self._mailboxes.scripts
        if request.version:
            return wire.GetAccountScriptResponse(
                content=await scripts.version(account, request.name, request.version)
            )
        return wire.GetAccountScriptResponse(content=await scripts.get(account, request.name))

    @mapped
    async def RestoreAccountScript(
        self, request: wire.RestoreAccountScriptRequest, context: Context
    ) -> wire.RestoreAccountScriptResponse:
        account, scripts = _account(request), self._mailboxes.scripts
        content = await scripts.version(account, request.name, request.version)
        await scripts.put(account, request.name, content, most=MOST_OF_ACCOUNT)
        LOG.info(
            "script_restored",
            account_id=account.account_id,
            script=request.name,
            version=request.version,
            actor=request.actor,
        )
        return wire.RestoreAccountScriptResponse()

    def _changed(self, event: str, request: Any, version: int) -> None:
        LOG.info(
            event,
            tenant_id=request.tenant_id,
            script=request.name,
            version=version,
            actor=request.actor,
        )

    @mapped
    async def DryRun(self, request: wire.DryRunRequest, context: Context) -> wire.DryRunResponse:
        account = None
        if request.account_id:
            account = AccountRef(_id(request.tenant_id), _id(request.account_id))
        end = header_end(request.message)
        header = request.message[: len(request.message) if end is None else end]
        content = bytes(request.message)

        async def body() -> bytes:
            return content[len(header) :]

        situation = Situation(
            reverse_path=request.reverse_path,
            forward_path=request.forward_path,
            now=datetime.now(UTC),
            environment=environment(request.forward_path, self._hostname, Source.MX, ""),
        )
        stages = await self._stages(account, request.script)
        outcome = await self._running.run(account, stages, Input(header, len(content), body), situation)
        return wire.DryRunResponse(
            steps=[
                wire.DryRunStep(kind=each.kind, detail=each.detail, line=each.line, script=each.script)
                for each in steps(outcome)
            ],
            error="" if outcome.error is None else str(outcome.error),
        )

    async def _stages(self, account: AccountRef | None, script: bytes) -> list[Stage]:
        if script:
            program = await compiled(script)
            if isinstance(program, ScriptError):
                raise program
            return [Stage("", program)]
        if account is None:
            raise Invalid("a script or an account is needed")
        active = await self._mailboxes.scripts.active_digests([account])
        stages = await self._running.stages(account, active[account.account_id]) if active else []
        if not stages:
            raise ScriptMissing
        return stages
