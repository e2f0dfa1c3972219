"""Shaping, suppressed addresses and webhooks through REST, gRPC and PostgreSQL, and by the command."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import grpc
import httpx
import pytest
from admin_api.adapters import reach
from admin_api.app import build
from admin_api.edge.reach import attach
from mailwire.directory.v1 import directory_pb2 as directory_wire
from mailwire.queue.v1.reach_pb2_grpc import add_ReachAdminServiceServicer_to_server
from mta_queue.adapters.hooks import Hooks
from mta_queue.adapters.rules import RuleBook
from mta_queue.adapters.shapes import ShapeBook
from mta_queue.adapters.suppressions import Suppressions
from mta_queue.core.schedule import Schedule
from mta_queue.edge.current import CurrentRules
from mta_queue.edge.reach_orders import ReachOrders
from pgkit import OPERATOR, open_pool, transaction
from posthouse.commands.queue_shape import _reaction
from posthouse.errors import Problem
from servicekit.sealing import Sealer

from tests.support.engines import Engines

TOKEN = "the-operators-token-of-this-test"
TENANT_ID = str(uuid4())


class Directory:
    """One tenant."""

    async def GetTenant(self, request: Any, timeout: float) -> Any:
        if request.tenant not in ("demo", TENANT_ID):
            raise grpc.aio.AioRpcError(
                grpc.StatusCode.NOT_FOUND,
                grpc.aio.Metadata(),
                grpc.aio.Metadata(),
                "there is no such tenant",
                None,
            )
        tenant = directory_wire.Tenant(tenant_id=TENANT_ID, name="demo")
        return directory_wire.GetTenantResponse(tenant=tenant)


class Desk:
    def __init__(self, client: httpx.AsyncClient, current: CurrentRules) -> None:
        self.client = client
        self.current = current

    async def call(self, method: str, path: str, status: int = 200, **given: Any) -> Any:
        answer = await self.client.request(method, path, **given)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None


@pytest.fixture
async def desk(engines: Engines) -> AsyncIterator[Desk]:
    pool = await open_pool(engines.dsn("queue", "app"), max_size=4)
    book = RuleBook(pool, Schedule(300.0, 3600.0, 432_000.0))
    current = CurrentRules(book.load, await book.load())
    hooks = Hooks(pool, Sealer(["a-secret-of-this-test-only"], "passwords at rest"))
    server = grpc.aio.server()
    orders = ReachOrders(ShapeBook(pool), Suppressions(pool), hooks, current)
    add_ReachAdminServiceServicer_to_server(orders, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        app = build(Directory(), None, TOKEN, 65_536)
        attach(app, reach.stub(channel))
        headers = {"Authorization": f"Bearer {TOKEN}"}
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://admin", headers=headers) as client:
            yield Desk(client, current)
    await server.stop(0)
    async with transaction(pool, OPERATOR) as connection:
        for table in ("queue_shape", "webhook", "suppression"):
            await connection.execute(f"DELETE FROM {table}")
    await pool.close()


async def test_a_rule_of_shaping_is_set_seen_and_deleted(desk: Desk) -> None:
    rule = {
        "tenant": "demo",
        "matches": "mx:Google.com",
        "connections": 3,
        "messages_an_hour": 500,
        "reactions": [{"pattern": "^421", "action": "back-off", "seconds": 300}],
    }
    made = await desk.call("PUT", "/v1/queue/shapes", json=rule)
    assert (made["tenant"], made["tenant_id"], made["matches"]) == ("demo", TENANT_ID, "mx:google.com")
    found = desk.current.now.shapes.rule_for(TENANT_ID, "x.test", ("aspmx.l.google.com",))
    assert (found.site, found.shape.connections) == ("mx:google.com", 3)
    listed = (await desk.call("GET", "/v1/queue/shapes"))["items"]
    assert [(each["tenant"], each["matches"]) for each in listed] == [("", "*"), ("demo", "mx:google.com")]
    assert listed[0]["reactions"], "what holds where none was set"
    await desk.call("DELETE", "/v1/queue/shapes", 204, params={"tenant": "demo", "matches": "mx:google.com"})
    assert desk.current.now.shapes.is_empty
    await desk.call("DELETE", "/v1/queue/shapes", 404, params={"tenant": "demo", "matches": "mx:google.com"})


@pytest.mark.parametrize(
    "wrong",
    [
        {"matches": "google.com"},
        {"matches": "*", "connections": -1},
        {"matches": "*", "reactions": [{"pattern": "(", "action": "suspend", "seconds": 1}]},
        {"matches": "*", "reactions": [{"pattern": "a", "action": "explode", "seconds": 1}]},
        {"matches": "*", "connection": 1},
    ],
)
async def test_what_is_no_rule(desk: Desk, wrong: dict[str, Any]) -> None:
    await desk.call("PUT", "/v1/queue/shapes", 422, json=wrong)


async def test_an_address_is_suppressed_seen_and_freed(desk: Desk) -> None:
    new = {"tenant": "demo", "address": "Gone@Example.test", "detail": "asked us"}
    made = await desk.call("POST", "/v1/suppressions", 201, json=new)
    assert (made["address"], made["cause"], made["tenant"]) == ("gone@example.test", "manual", "demo")
    assert desk.current.now.suppresses
    here = {"tenant": "demo"}
    assert (await desk.call("GET", "/v1/suppressions/gone@example.test", params=here))["detail"] == "asked us"
    listed = await desk.call("GET", "/v1/suppressions", params=here | {"cause": "manual"})
    assert [each["address"] for each in listed["items"]] == ["gone@example.test"]
    assert (await desk.call("GET", "/v1/suppressions", params=here | {"cause": "complaint"}))["items"] == []
    await desk.call("GET", "/v1/suppressions", 422, params=here | {"cause": "boredom"})
    await desk.call("DELETE", "/v1/suppressions/gone@example.test", 204, params=here)
    await desk.call("GET", "/v1/suppressions/gone@example.test", 404, params=here)
    await desk.call("POST", "/v1/suppressions", 422, json=new | {"address": "nobody"})
    await desk.call("POST", "/v1/suppressions", 404, json=new | {"tenant": "other"})


async def test_the_list_comes_in_pages(desk: Desk) -> None:
    for number in range(5):
        new = {"tenant": "demo", "address": f"a{number}@x.test"}
        await desk.call("POST", "/v1/suppressions", 201, json=new)
    seen, page = [], ""
    while True:
        found = await desk.call("GET", "/v1/suppressions", params={"tenant": "demo", "size": 2, "page": page})
        seen += [each["address"] for each in found["items"]]
        page = found["next_page"]
        if not page:
            break
    assert seen == [f"a{number}@x.test" for number in range(5)]


async def test_a_webhook_tells_its_secret_once(desk: Desk) -> None:
    new = {"tenant": "demo", "url": "https://hooks.example.com/x", "events": ["bounced"]}
    made = await desk.call("POST", "/v1/webhooks", 201, json=new)
    secret, webhook_id = made.pop("secret"), made["webhook_id"]
    assert len(secret) >= 32
    [listed] = (await desk.call("GET", "/v1/webhooks", params={"tenant": "demo"}))["items"]
    assert listed == made
    assert desk.current.now.hooks[TENANT_ID][0].events == {"bounced"}
    assert (await desk.call("GET", f"/v1/webhooks/{webhook_id}/dead"))["items"] == []
    assert await desk.call("POST", f"/v1/webhooks/{webhook_id}/dead/again") == {"events": 0}
    await desk.call("DELETE", f"/v1/webhooks/{webhook_id}", 204)
    await desk.call("DELETE", f"/v1/webhooks/{webhook_id}", 404)
    assert TENANT_ID not in desk.current.now.hooks


@pytest.mark.parametrize("url", ["http://hooks.example.com/", "https://127.0.0.1/", "https://localhost/"])
async def test_a_webhook_leads_outside(desk: Desk, url: str) -> None:
    await desk.call("POST", "/v1/webhooks", 422, json={"tenant": "demo", "url": url})


def test_how_the_command_takes_a_reaction() -> None:
    assert _reaction("suspend", "2h:^554 .*: blocked") == {
        "pattern": "^554 .*: blocked",
        "action": "suspend",
        "seconds": 7200.0,
    }
    with pytest.raises(Problem):
        _reaction("suspend", "2h")
