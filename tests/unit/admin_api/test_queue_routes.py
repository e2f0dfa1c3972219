"""/v1/queue in memory: what reaches the queue of a request, and what comes out when something is away."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import grpc
import httpx
import pytest
from admin_api.adapters.queue import stamp
from admin_api.app import build
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from mailwire.directory.v1 import directory_pb2 as directory_wire
from mailwire.queue.v1 import queue_pb2 as wire

TOKEN = "the-operators-token-of-this-test"
TENANT_ID = "00000000-0000-4000-8000-000000000001"
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def refusal(code: grpc.StatusCode, text: str = "") -> grpc.aio.AioRpcError:
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(), text, None)


class Directory:
    """One tenant, or nobody at home."""

    is_away = False

    async def GetTenant(self, request: Any, timeout: float) -> Any:
        if self.is_away:
            raise refusal(grpc.StatusCode.UNAVAILABLE)
        if request.tenant not in ("demo", TENANT_ID):
            raise refusal(grpc.StatusCode.NOT_FOUND, f"there is no tenant {request.tenant}")
        tenant = directory_wire.Tenant(tenant_id=TENANT_ID, name="demo")
        return directory_wire.GetTenantResponse(tenant=tenant)


class Queue:
    """Answers what it was told to, and keeps what it was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, Message | Exception] = {}
        self.asked: list[Any] = []

    def __getattr__(self, name: str) -> Any:
        async def call(request: Any, timeout: float) -> Any:
            self.asked.append(request)
            answer = self.answers[name]
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call


class Door:
    def __init__(self, client: httpx.AsyncClient, directory: Directory, queue: Queue) -> None:
        self.client = client
        self.directory = directory
        self.queue = queue


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    directory, queue = Directory(), Queue()
    transport = httpx.ASGITransport(build(directory, queue, TOKEN, 65_536), client=("192.0.2.7", 1))
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://admin", headers=headers) as client:
        yield Door(client, directory, queue)


def item() -> wire.Item:
    return wire.Item(
        tenant_id=TENANT_ID,
        queue_id="01Q",
        domain="y.test",
        status=wire.ITEM_STATUS_HELD,
        recipients=[wire.ItemRecipient(address="a@y.test", last_reply="451 later")],
        entered_at=stamp(NOW),
        next_attempt_at=stamp(NOW),
        expires_at=stamp(NOW),
    )


async def test_a_filter_goes_through_whole(door: Door) -> None:
    door.queue.answers["ListItems"] = wire.ListItemsResponse(items=[item()], next_page_token="9")
    answer = await door.client.get(
        "/v1/queue/items",
        params={
            "tenant": "demo",
            "queue_ids": ["01Q", "02Q"],
            "sender": "<>",
            "recipient": "a@y.test",
            "domain": "y.test",
            "status": "held",
            "reply": "later",
            "entered_before": "2026-11-21T12:00:00+00:00",
            "size": 7,
            "page": "5",
        },
    )
    assert answer.status_code == 200
    [shown] = answer.json()["items"]
    assert (shown["tenant"], shown["status"], shown["tried_at"]) == ("demo", "held", None)
    assert answer.json()["next_page"] == "9"
    [asked] = door.queue.asked
    assert asked == wire.ListItemsRequest(
        caller=wire.Caller(actor="operator", client_address="192.0.2.7"),
        filter=wire.ItemFilter(
            tenant_id=TENANT_ID,
            queue_ids=["01Q", "02Q"],
            sender="<>",
            recipient="a@y.test",
            domain="y.test",
            status=wire.ITEM_STATUS_HELD,
            reply="later",
            entered_before=stamp(NOW),
        ),
        page_size=7,
        page_token="5",
    )


@pytest.mark.parametrize(
    ("body", "change"),
    [
        ({"action": "hold", "reason": "why"}, wire.Change(hold=wire.Hold(reason="why"))),
        (
            {"action": "hold", "expires_at": "2026-11-22T00:00:00Z"},
            wire.Change(hold=wire.Hold(until=Timestamp(seconds=1_795_305_600))),
        ),
        ({"action": "release"}, wire.Change(release=wire.Release())),
        ({"action": "retry"}, wire.Change(retry=wire.Retry())),
        ({"action": "bounce", "silent": True}, wire.Change(bounce=wire.Bounce(silent=True))),
        ({"action": "delete", "reason": "x"}, wire.Change(delete=wire.Delete(reason="x"))),
        ({"action": "reroute", "route": "h:25"}, wire.Change(reroute=wire.Reroute(route="h:25"))),
        (
            {"action": "expire", "expires_at": NOW.isoformat()},
            wire.Change(expire=wire.Expire(expires_at=stamp(NOW))),
        ),
    ],
    ids=lambda value: value["action"] if isinstance(value, dict) else "",
)
async def test_each_change(door: Door, body: dict[str, Any], change: wire.Change) -> None:
    job = wire.Job(job_id="j", action=body["action"], status=wire.JOB_STATUS_RUNNING, created_at=stamp(NOW))
    door.queue.answers["ChangeItems"] = wire.ChangeItemsResponse(job=job)
    answer = await door.client.post("/v1/queue/changes", json={**body, "filter": {"domain": "y.test"}})
    assert answer.status_code == 202, "it goes on"
    assert answer.json()["status"] == "running"
    assert door.queue.asked[0].change == change


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"action": "explode"},
        {"action": "hold", "filter": {"domian": "y.test"}},
        {"action": "expire", "filter": {"domain": "y.test"}},
        {"action": "hold", "filter": {"entered_before": "2026-11-21T12:00:00"}},
        {"action": "hold", "reason": "x" * 501},
    ],
)
async def test_what_cannot_be_meant_is_refused_before_the_queue(door: Door, body: dict[str, Any]) -> None:
    answer = await door.client.post("/v1/queue/changes", json=body)
    assert answer.status_code == 422
    assert door.queue.asked == []


async def test_what_the_queue_refuses_has_its_sentence(door: Door) -> None:
    door.queue.answers["ChangeItems"] = refusal(
        grpc.StatusCode.INVALID_ARGUMENT, "no filter: say which items"
    )
    answer = await door.client.post("/v1/queue/changes", json={"action": "hold"})
    assert (answer.status_code, answer.json()["detail"]) == (422, "no filter: say which items")


async def test_a_queue_that_is_away_is_named(door: Door) -> None:
    door.queue.answers["ListItems"] = refusal(grpc.StatusCode.UNAVAILABLE)
    answer = await door.client.get("/v1/queue/items")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    assert "queue" in answer.json()["detail"]


async def test_the_queue_is_shown_while_the_directory_is_away(door: Door) -> None:
    door.queue.answers["ListItems"] = wire.ListItemsResponse(items=[item()])
    door.directory.is_away = True
    answer = await door.client.get("/v1/queue/items")
    assert answer.status_code == 200
    assert [(each["tenant"], each["tenant_id"]) for each in answer.json()["items"]] == [("", TENANT_ID)]


async def test_a_tenant_that_is_gone_may_have_left_mail(door: Door) -> None:
    door.queue.answers["ListItems"] = wire.ListItemsResponse()
    gone = "00000000-0000-4000-8000-00000000dead"
    assert (await door.client.get("/v1/queue/items", params={"tenant": gone})).status_code == 200
    assert door.queue.asked[0].filter.tenant_id == gone
    assert (await door.client.get("/v1/queue/items", params={"tenant": "nobody"})).status_code == 404


async def test_without_the_token_nothing_is_asked(door: Door) -> None:
    answer = await door.client.get("/v1/queue/items", headers={"Authorization": "Bearer wrong"})
    assert answer.status_code == 401
    assert door.queue.asked == []
