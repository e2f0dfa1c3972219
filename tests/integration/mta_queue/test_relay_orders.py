"""Routes and reports from REST to rows: the admin API's routes, real gRPC, real PostgreSQL."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import grpc
import httpx
import pytest
from admin_api.adapters import relay
from admin_api.app import build
from admin_api.edge.routes import attach
from mailwire.directory.v1 import directory_pb2 as directory_wire
from mailwire.queue.v1.relay_pb2_grpc import add_RelayAdminServiceServicer_to_server
from mta_queue.adapters.egress import EgressBook
from mta_queue.adapters.report_store import Due, Figures, ReportStore
from mta_queue.adapters.routes import RouteBook
from mta_queue.adapters.rules import RuleBook
from mta_queue.core.report_mail import Kind
from mta_queue.core.schedule import Schedule
from mta_queue.edge.current import CurrentRules
from mta_queue.edge.relay_orders import RelayOrders
from pgkit import OPERATOR, Pool, open_pool, transaction
from servicekit.sealing import Sealer

from tests.support.engines import Engines

TOKEN = "the-operators-token-of-this-test"
TENANT_ID = "00000000-0000-4000-8000-00000000bbbb"
ROUTE = {"tenant": "demo", "domain": "Y.test", "host": "Smart.test:587", "username": "u", "password": "pw"}


class Directory:
    """One tenant."""

    async def GetTenant(self, request: Any, timeout: float) -> Any:
        tenant = directory_wire.Tenant(tenant_id=TENANT_ID, name="demo")
        return directory_wire.GetTenantResponse(tenant=tenant)


class Desk:
    def __init__(self, client: httpx.AsyncClient, current: CurrentRules, store: ReportStore) -> None:
        self.client, self.current, self.store = client, current, store

    async def call(self, method: str, path: str, code: int = 200, **values: Any) -> Any:
        answer = await self.client.request(method, path, **values)
        assert answer.status_code == code, answer.text
        return answer.json() if answer.content else None


@pytest.fixture
async def pool(engines: Engines) -> AsyncIterator[Pool]:
    opened = await open_pool(engines.dsn("queue", "app"))
    async with transaction(opened, OPERATOR) as connection:
        for table in ("queue_route", "report_received", "report_sent"):
            await connection.execute(f"DELETE FROM {table}")
    yield opened
    async with transaction(opened, OPERATOR) as connection:
        await connection.execute("DELETE FROM queue_route")
    await opened.close()


@pytest.fixture
async def desk(pool: Pool) -> AsyncIterator[Desk]:
    book = RuleBook(pool, Schedule(300.0, 3600.0, 432_000.0))
    current = CurrentRules(book.load, await book.load())
    store = ReportStore(pool)
    sealer = Sealer(["a-secret-of-this-test-only"], "passwords at rest")
    server = grpc.aio.server()
    add_RelayAdminServiceServicer_to_server(
        RelayOrders(RouteBook(pool, sealer), current, store, EgressBook(pool, sealer)), server
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        app = build(Directory(), None, TOKEN, 65_536)
        attach(app, relay.stub(channel))
        headers = {"Authorization": f"Bearer {TOKEN}"}
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://admin", headers=headers) as client:
            yield Desk(client, current, store)
    await server.stop(0)


async def test_a_route_is_set_seen_and_deleted(desk: Desk) -> None:
    made = await desk.call("PUT", "/v1/routes", json=ROUTE)
    assert made == {
        "tenant": "demo",
        "tenant_id": TENANT_ID,
        "domain": "y.test",
        "host": "smart.test:587",
        "protocol": "smtp",
        "username": "u",
        "minimum_tls": "",
        "egress": "",
    }
    way = desk.current.now.way_of(TENANT_ID, "y.test")
    assert way.login is not None
    await desk.call("PUT", "/v1/routes", json={"minimum_tls": "encrypted"})
    found = await desk.call("GET", "/v1/routes")
    assert [(each["tenant"], each["minimum_tls"]) for each in found["items"]] == [
        ("", "encrypted"),
        ("demo", ""),
    ]
    assert "pw" not in str(found)
    await desk.call("DELETE", "/v1/routes", 204, params={"tenant": "demo", "domain": "y.test"})
    assert desk.current.now.way_of(TENANT_ID, "y.test").route is None
    await desk.call("DELETE", "/v1/routes", 404, params={"tenant": "demo", "domain": "y.test"})


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"host": "no host"},
        {"username": "u", "password": "p"},
        {"host": "smart.test", "username": "u"},
        {"minimum_tls": "much"},
        {"host": "smart.test", "protocol": "uucp"},
    ],
)
async def test_what_is_no_route_is_refused(desk: Desk, wrong: dict[str, str]) -> None:
    await desk.call("PUT", "/v1/routes", 422, json=wrong)
    assert (await desk.call("GET", "/v1/routes"))["items"] == []


async def test_what_came_and_what_was_sent(desk: Desk) -> None:
    now = datetime.now(UTC)
    for days, domain in ((1, "y.test"), (2, "z.test"), (90, "y.test")):
        begin = now - timedelta(days=days)
        figures = Figures(
            TENANT_ID, domain, "Them", f"id-{days}", begin, now, 90, 3, '[{"result": "x", "sessions": 3}]'
        )
        await desk.store.received(Kind.TLS, figures)
    found = (await desk.call("GET", "/v1/reports/tls"))["items"]
    assert [(each["domain"], each["passed"], each["failed"]) for each in found] == [
        ("y.test", 90, 3),
        ("z.test", 90, 3),
    ]
    assert found[0]["figures"] == [{"result": "x", "sessions": 3}]
    old = (now - timedelta(days=100)).isoformat()
    found = await desk.call(
        "GET", "/v1/reports/tls", params={"domain": "y.test", "since": old, "tenant": "demo"}
    )
    assert len(found["items"]) == 2
    assert (await desk.call("GET", "/v1/reports/dmarc"))["items"] == []
    due = Due(Kind.DMARC, date.today(), "y.test")
    assert await desk.store.claim(due, now)
    await desk.store.done(due, ["mailto:a@y.test"], "", now)
    [sent] = (await desk.call("GET", "/v1/reports/sent"))["items"]
    assert (sent["kind"], sent["domain"], sent["sent_to"]) == ("dmarc", "y.test", ["mailto:a@y.test"])
