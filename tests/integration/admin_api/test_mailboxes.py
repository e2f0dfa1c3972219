"""/v1/mailboxes and /v1/shared-mailboxes: the API in this process, on the directory's and the mda's real gRPC."""

from collections.abc import AsyncIterator
from typing import Any

import grpc
import httpx
import pytest
from admin_api.adapters import directory, mailboxes, queue
from admin_api.app import build
from admin_api.edge.mailboxes import attach
from mailstore import MailStore
from mailwire.mailbox.v1.admin_pb2_grpc import add_MailboxAdminServiceServicer_to_server
from mda.edge.mailboxes import Mailboxes

from tests.integration.admin_api.conftest import PASSWORD, TOKEN, Stage
from tests.support.engines import Engines


@pytest.fixture
async def call(engines: Engines, stage: Stage) -> AsyncIterator[Any]:
    store = await MailStore.open(
        engines.dsn("store", "app"), engines.seaweed.store(), lambda _change: None, pool_size=2
    )
    server = grpc.aio.server()
    add_MailboxAdminServiceServicer_to_server(Mailboxes(store), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    channels = [grpc.aio.insecure_channel(stage.directory_target)]
    channels.append(grpc.aio.insecure_channel(f"127.0.0.1:{port}"))
    app = build(directory.stub(channels[0]), queue.stub(channels[1]), TOKEN, 1 << 20)
    attach(app, mailboxes.stub(channels[1]), mailboxes.sharing_stub(channels[0]))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url="http://api",
        headers={"Authorization": f"Bearer {TOKEN}"},
    ) as client:

        async def one(method: str, path: str, status: int, body: Any = None, **query: str) -> Any:
            answer = await client.request(method, path, json=body, params=query)
            assert answer.status_code == status, answer.text
            return answer.json() if answer.content else None

        yield one
    for channel in channels:
        await channel.close(None)
    await server.stop(None)
    await store.close()


async def test_a_shared_account_from_its_making_to_its_end(call: Any, stage: Stage, tenant: str) -> None:
    domain = f"{tenant}.test"
    await call("POST", "/v1/domains", 201, {"name": domain, "tenant": tenant})
    team, alice = f"team@{domain}", f"alice@{domain}"
    made = await call("POST", "/v1/shared-mailboxes", 201, {"address": team, "display_name": "Team"})
    assert made["shared"]
    await call("POST", "/v1/accounts", 201, {"address": alice, "password": PASSWORD})

    def change(identifier: str, rights: str, name: str = "") -> dict[str, str]:
        return {"account": team, "name": name, "identifier": identifier, "rights": rights}

    assert (await call("PUT", "/v1/mailboxes/rights", 200, change(alice, "lrswi"))) == {"rights": "lrswi"}
    assert (await call("PUT", "/v1/mailboxes/rights", 200, change(alice, "+te", "INBOX"))) == {
        "rights": "lrswited"
    }
    await call("PUT", "/v1/mailboxes/rights", 200, change("-anyone", "a", "INBOX"))
    await call("PUT", "/v1/mailboxes/rights", 200, change(f"$sales@{domain}", "l", "INBOX"))
    await call("POST", "/v1/mailboxes", 204, {"account": team, "name": "INBOX/2026"})
    listed = {each["name"]: each["rights"] for each in await call("GET", "/v1/mailboxes", 200, account=team)}
    expected = {alice: "lrswite", "-anyone": "a", f"$sales@{domain}": "l"}
    assert listed["INBOX"] == listed["INBOX/2026"] == expected
    assert listed["Sent"] == {alice: "lrswi"}
    await call("PUT", "/v1/mailboxes/rights", 200, change(alice, "", "Sent"))
    await call("DELETE", "/v1/mailboxes", 409, account=team, name="INBOX")
    await call("DELETE", "/v1/mailboxes", 204, account=team, name="INBOX/2026")
    await call("DELETE", "/v1/mailboxes", 404, account=team, name="INBOX/2026")
    await call("PUT", "/v1/mailboxes/rights", 422, change(alice, "lQ"))
    await call("PUT", "/v1/mailboxes/rights", 422, change(f"nobody@{domain}", "l"))
    await call("PUT", "/v1/mailboxes/rights", 422, change(team, "l"))
    await call("PUT", "/v1/mailboxes/rights", 404, change(alice, "l", "No such"))
    await call("DELETE", "/v1/shared-mailboxes", 409, account=alice)
    await call("DELETE", "/v1/shared-mailboxes", 204, account=team)
    await call("GET", "/v1/mailboxes", 404, account=team)


async def test_nobody_of_another_tenant_is_let_in(call: Any, stage: Stage, tenant: str) -> None:
    addresses = []
    for name in (tenant, f"{tenant}-other"):
        if name != tenant:
            await call("POST", "/v1/tenants", 201, {"name": name})
        await call("POST", "/v1/domains", 201, {"name": f"{name}.test", "tenant": name})
        addresses.append(f"x@{name}.test")
        await call("POST", "/v1/accounts", 201, {"address": addresses[-1], "password": PASSWORD})
    body = {"account": addresses[0], "identifier": addresses[1], "rights": "lr"}
    await call("PUT", "/v1/mailboxes/rights", 422, body)


async def test_while_the_mda_is_away_it_says_so(stage: Stage, tenant: str) -> None:
    stage.call("POST", "/v1/domains", {"name": f"{tenant}.test", "tenant": tenant})
    stage.call("POST", "/v1/accounts", {"address": f"x@{tenant}.test", "password": PASSWORD})
    answer = stage.call("GET", "/v1/mailboxes", account=f"x@{tenant}.test")
    assert answer.status_code == 503
    assert answer.json()["detail"] == "The mailboxes cannot be reached now; try again later."
