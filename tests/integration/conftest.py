"""One set of stores for all integration tests of a run; each test takes accounts and tenants of its own."""

import asyncio
import threading
from collections.abc import Iterator

import directory.migrate
import mailstore.migrate
import mta_queue.migrate
import pytest

from tests.support.engines import Engines, running


@pytest.fixture(scope="session")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engines]:
    """PostgreSQL, NATS and S3 with migrated databases, kept alive by a loop in a thread of its own."""
    folder = tmp_path_factory.mktemp("engines")
    started: list[Engines] = []
    failed: list[BaseException] = []
    ready, over = threading.Event(), threading.Event()

    async def live() -> None:
        async with running(folder, "nats", "seaweedfs") as engines:
            await engines.seaweed.make_durable()
            for module, database in ((directory, "directory"), (mailstore, "store"), (mta_queue, "queue")):
                await asyncio.to_thread(
                    module.migrate.migrate, engines.dsn(database, "owner"), f"{database}_app"
                )
            started.append(engines)
            ready.set()
            await asyncio.to_thread(over.wait)

    def work() -> None:
        try:
            asyncio.run(live())
        except BaseException as error:
            failed.append(error)
        finally:
            ready.set()

    thread = threading.Thread(target=work)
    thread.start()
    ready.wait(90)
    if failed or not started:
        over.set()
        raise RuntimeError(f"the stores did not start: {failed}")
    yield started[0]
    over.set()
    thread.join(60)
