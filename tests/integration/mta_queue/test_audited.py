"""Every order that changes anything is in the audit: one line each, with who gave it. A method that is new must be added here."""

from collections.abc import Awaitable, Callable
from uuid import uuid4

from mailwire.queue.v1 import queue_pb2, reach_pb2, relay_pb2
from mta_queue.adapters.changes import Changes
from mta_queue.adapters.egress import EgressBook
from mta_queue.adapters.hooks import Hooks
from mta_queue.adapters.items import Items
from mta_queue.adapters.routes import NewRule, RouteBook
from mta_queue.adapters.rules import RuleBook
from mta_queue.adapters.shapes import ShapeBook
from mta_queue.adapters.suppressions import Suppressions
from mta_queue.core.change import Hold
from mta_queue.core.egress import Source
from mta_queue.core.item_filter import ItemFilter
from mta_queue.core.records import Caller
from mta_queue.core.schedule import Schedule
from mta_queue.core.shaping import DEFAULT
from mta_queue.core.way import Protocol
from pgkit import Pool, open_pool
from servicekit.sealing import Sealer

from tests.support.engines import Engines

BOSS = Caller("boss", "192.0.2.7", "")
SCHEDULE = Schedule(300.0, 3600.0, 432_000.0)
READS = ("List", "Get", "Summarize")
Order = Callable[[], Awaitable[object]]


class Desk:
    """Orders about one tenant, by the name of their method; those that undo come after those that they undo."""

    def __init__(self, pool: Pool) -> None:
        self.tenant_id = str(uuid4())
        self.items = Items(pool)
        sealer = Sealer(["a-secret-of-this-test-only"], "passwords at rest")
        book, shapes, known = RuleBook(pool, SCHEDULE), ShapeBook(pool), Suppressions(pool)
        routes, egress = RouteBook(pool, sealer), EgressBook(pool, sealer)
        self.hooks, self.changes = Hooks(pool, sealer), Changes(pool)
        self.webhook_id = self.job_id = ""
        tenant, pool_name = self.tenant_id, f"p{tenant_suffix()}"
        rule = NewRule(tenant, "y.test", "relay.test", Protocol.SMTP, "", "", None)
        source = Source(pool_name, "192.0.2.1")
        # What it does, its word in the audit, and whether it is this tenant's.
        self.orders: dict[str, tuple[Order, str, bool]] = {
            "ChangeItems": (self._change, "hold", True),
            "CancelJob": (lambda: self.changes.cancel(BOSS, self.job_id), "cancel", True),
            "Suspend": (lambda: book.suspend(BOSS, tenant, "y.test", "why", None), "suspend", True),
            "Resume": (lambda: book.resume(BOSS, tenant, "y.test"), "resume", True),
            "SetSchedule": (lambda: book.set_schedule(BOSS, tenant, "y.test", SCHEDULE), "schedule", True),
            "DeleteSchedule": (lambda: book.delete_schedule(BOSS, tenant, "y.test"), "unschedule", True),
            "SetRoute": (lambda: routes.set(BOSS, rule), "route", True),
            "DeleteRoute": (lambda: routes.delete(BOSS, tenant, "y.test"), "unroute", True),
            "SetSource": (lambda: egress.set(BOSS, source, ""), "egress", False),
            "DeleteSource": (lambda: egress.delete(BOSS, pool_name, "192.0.2.1", ""), "unegress", False),
            "SetShape": (lambda: shapes.set(BOSS, tenant, "domain:y.test", DEFAULT), "shape", True),
            "DeleteShape": (lambda: shapes.delete(BOSS, tenant, "domain:y.test"), "unshape", True),
            "AddSuppression": (lambda: known.add(BOSS, tenant, "a@y.test", "", None), "suppress", True),
            "RemoveSuppression": (lambda: known.remove(BOSS, tenant, "a@y.test"), "unsuppress", True),
            "AddWebhook": (self._hook, "webhook", True),
            "TellDeadAgain": (lambda: self.hooks.again(BOSS, self.webhook_id), "tell-again", True),
            "RemoveWebhook": (lambda: self.hooks.remove(BOSS, self.webhook_id), "unhook", True),
        }

    async def _change(self) -> None:
        self.job_id = await self.changes.begin(BOSS, ItemFilter(tenant_id=self.tenant_id), Hold("why"))

    async def _hook(self) -> None:
        row, _ = await self.hooks.add(BOSS, self.tenant_id, "https://hooks.example.test/", [])
        self.webhook_id = str(row["webhook_id"])

    async def audited(self, *, ours: bool) -> list[tuple[str, str, str]]:
        """The newest first: action, who, from where."""
        found = await self.items.audit(BOSS, self.tenant_id if ours else "", 1 << 62, 1000)
        return [(each.action, each.actor, each.client_address) for each in found]


def tenant_suffix() -> str:
    """For a name that nobody else has."""
    return uuid4().hex[:8]


def test_no_method_that_changes_anything_is_left_out() -> None:
    wanted = {
        method.name
        for module, name in (
            (queue_pb2, "QueueAdminService"),
            (relay_pb2, "RelayAdminService"),
            (reach_pb2, "ReachAdminService"),
        )
        for method in module.DESCRIPTOR.services_by_name[name].methods
        if not method.name.startswith(READS)
    }
    pool: Pool = object()  # type: ignore[assignment]
    assert set(Desk(pool).orders) == wanted


async def test_every_order_leaves_one_line_that_says_who_gave_it(engines: Engines) -> None:
    pool = await open_pool(engines.dsn("queue", "app"), max_size=4)
    desk = Desk(pool)
    for name, (give, action, ours) in desk.orders.items():
        before = await desk.audited(ours=ours)
        await give()
        after = await desk.audited(ours=ours)
        assert after[0] == (action, "boss", "192.0.2.7"), name
        assert len(after) == min(len(before) + 1, 1000), name
    await pool.close()
