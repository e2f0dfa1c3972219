"""Real scanners, as `posthouse up --with` starts them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from posthouse.stack.clamav import Clamav
from posthouse.stack.layout import Layout
from posthouse.stack.ports import Ports
from posthouse.stack.rspamd import Rspamd

from tests.support.daemons import Daemon, few_domains
from tests.support.platform import free_base, open_to_others


def _layout(folder: Path) -> Layout:
    open_to_others(folder)
    layout = Layout(folder)
    layout.prepare()
    return layout


def _clamd(folder: Path) -> Daemon:
    # No signatures but our own, for EICAR.
    clamav = Clamav(_layout(folder), Ports.at(free_base()), signatures=folder / "none")
    clamav.prepare()
    return Daemon(clamav.part(), folder / "clamav.log")


@pytest.fixture(scope="session")
def clamd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with _clamd(tmp_path_factory.mktemp("clamd")) as daemon:
        yield daemon


@pytest.fixture
def own_clamd(tmp_path: Path) -> Iterator[Daemon]:
    """One that may be killed."""
    with _clamd(tmp_path / "own") as daemon:
        yield daemon


@pytest.fixture(scope="session")
def rspamd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """One for the whole run, with a short list of domains: the package's takes it eight seconds to read."""
    folder = tmp_path_factory.mktemp("rspamd")
    domains = few_domains(folder)
    rspamd = Rspamd(_layout(folder), Ports.at(free_base()), top_level_domains=domains)
    rspamd.prepare()
    with Daemon(rspamd.part(), folder / "rspamd.log") as daemon:
        yield daemon
