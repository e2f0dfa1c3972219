"""Sessions of imap in memory."""

from collections.abc import Iterator

import pytest

from tests.support.imap_memory import Imap


@pytest.fixture
def imap() -> Iterator[Imap]:
    running = Imap()
    yield running
    running.close()
