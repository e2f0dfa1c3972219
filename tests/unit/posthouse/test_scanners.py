"""Scanners beside the platform: what --with takes, what is missing, what they are told."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from posthouse.errors import Problem
from posthouse.stack import enclosure
from posthouse.stack.layout import Layout
from posthouse.stack.ports import Ports
from posthouse.stack.scanners import Scanners, parse_scanners

PORTS = Ports.at(2000)


@pytest.fixture
def layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    """As on a machine of an ordinary user that has both packages."""
    (tmp_path / "sbin").mkdir()
    for name in ("clamd", "rspamd"):
        (tmp_path / "sbin" / name).write_text("#!/bin/sh\n")
        (tmp_path / "sbin" / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "sbin"))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    layout = Layout(tmp_path / "data")
    layout.prepare()
    return layout


def test_what_with_takes() -> None:
    assert parse_scanners([]) == frozenset()
    assert parse_scanners(["rspamd", "clamav", "rspamd"]) == {"clamav", "rspamd"}
    with pytest.raises(Problem, match=r"^--with knows clamav and rspamd, not 'spamassassin'"):
        parse_scanners(["spamassassin"])


@pytest.mark.parametrize(("name", "package"), [("clamav", "clamav-daemon"), ("rspamd", "rspamd")])
def test_a_missing_package_is_one_sentence(
    layout: Layout, monkeypatch: pytest.MonkeyPatch, name: str, package: str
) -> None:
    nowhere: Callable[..., None] = lambda *_, **__: None  # noqa: E731
    monkeypatch.setattr(shutil, "which", nowhere)
    with pytest.raises(
        Problem, match=f"^--with {name} needs the Debian package {package}, which is not inst"
    ):
        Scanners(layout, PORTS, frozenset({name}), {})


def test_without_with_nothing_runs_and_the_mda_is_told_nothing(layout: Layout) -> None:
    scanners = Scanners(layout, PORTS, frozenset(), {})
    assert (scanners.settings, scanners.parts(), scanners.prepare(), scanners.shown) == ({}, [], [], "")


def test_both(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("posthouse.stack.clamav.FRESHCLAM", layout.root / "none")
    scanners = Scanners(layout, PORTS, frozenset({"clamav", "rspamd"}), {})
    scanners.prepare()
    assert scanners.settings == {
        "MDA_CLAMD": "127.0.0.1:2310",
        "MDA_RSPAMD_URL": "http://127.0.0.1:2333",
        "MDA_RSPAMD_LEARN": "127.0.0.1:2334",
    }
    assert [(part.name, part.port) for part in scanners.parts()] == [("clamav", 2310), ("rspamd", 2333)]
    clamd = (layout.root / "clamav" / "clamd.conf").read_text()
    assert "TCPAddr 127.0.0.1\nTCPSocket 2310\n" in clamd
    assert "AlertExceedsMax yes\n" in clamd
    local = layout.root / "rspamd" / "local.d"
    assert 'bind_socket = "127.0.0.1:2333"' in (local / "worker-normal.inc").read_text()
    assert 'bind_socket = "127.0.0.1:2334"' in (local / "worker-controller.inc").read_text()


def test_rspamd_asks_the_network_only_when_told_to(layout: Layout) -> None:
    local = layout.root / "rspamd" / "local.d"
    for overrides, rbl in (({}, "enabled = false;\n"), ({"RSPAMD_NETWORK": "true"}, "")):
        Scanners(layout, PORTS, frozenset({"rspamd"}), overrides).prepare()
        assert (local / "rbl.conf").read_text() == rbl
        assert (local / "greylist.conf").read_text() == "enabled = false;\n"


def test_without_a_namespace_it_is_started_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("PATH", "/nonexistent")
    assert enclosure.enclosure().wrap(["a", "b"]) == ["a", "b"]
    assert shutil.which("unshare") is None
