"""The smtp-gateway's sessions on a real socket, around fakes, in a thread with a loop of its own."""

import asyncio
import ssl
import threading
from concurrent.futures import Future
from types import TracebackType

import structlog
import trustme
from servicekit.tcp import Listener
from smtp_gateway.core.budget import Budget
from smtp_gateway.core.networks import Networks
from smtp_gateway.core.roles import Role
from smtp_gateway.edge.allowance import Controls
from smtp_gateway.edge.load import Load
from smtp_gateway.edge.needs import Needs
from smtp_gateway.edge.session import handler

from tests.support.fake_gateway import FakeDirectory, FakeGate, settings


class LiveGateway:
    """Listens on `port` while in the context; `gate` keeps what was accepted, `authority` signed its certificate."""

    def __init__(self, role: Role, gate: FakeGate | None = None, **values: object) -> None:
        self.gate = gate or FakeGate()
        self.authority = trustme.CA()
        self.load = Load(int(str(values.get("messages_at_once", 0))))
        self._role = role
        self._values = values
        self._ready: Future[int] = Future()
        self._loop = asyncio.new_event_loop()
        self._over = asyncio.Event()
        self._thread = threading.Thread(target=self._live)

    def _live(self) -> None:
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        configured = settings(**self._values)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.authority.issue_cert("localhost").configure_cert(context)
        needs = Needs(
            configured,
            FakeDirectory(),
            self.gate,
            self.gate,
            Budget(configured.inflight_octets),
            tls=context,
            proxies=Networks(()),
            introducers=Networks(()),
            controls=Controls.of(configured),
            load=self.load,
        )
        listener = Listener(
            "test",
            handler(needs, self._role),
            asyncio.Event(),
            structlog.get_logger(),
            max_connections=10_000,
            overflow=b"",
        )
        await listener.start("127.0.0.1", 0, None)
        self._ready.set_result(listener.port)
        await self._over.wait()
        listener.stop_accepting()
        await listener.wait_until_idle(0.1)

    @property
    def port(self) -> int:
        return self._ready.result(10)

    def __enter__(self) -> "LiveGateway":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()
