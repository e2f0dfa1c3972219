"""Whether a process is the one that was noted."""

import json
import os
import time
from pathlib import Path

import psutil
import pytest
from posthouse.stack.layout import Layout
from posthouse.supervisor import state
from posthouse.supervisor.state import is_alive, started_at


def test_a_process_is_known_by_when_the_kernel_began_it() -> None:
    """Also where it came to note itself seconds later: on a busy machine Python takes that long to start."""
    me = os.getpid()
    assert started_at(me) == psutil.Process(me).create_time()
    assert is_alive(me, started_at(me))
    assert not is_alive(me, started_at(me) - 60), "another one with its number"


def test_who_is_gone_already_began_now() -> None:
    assert abs(started_at(2**22 + 1) - time.time()) < 60


def test_a_clock_that_was_set_meanwhile_makes_nobody_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = Layout(tmp_path)
    layout.run.mkdir()
    me = os.getpid()
    noted = state.State("running", me, started_at(me), 2000)
    noted.write(layout.state_file)
    create_time, boot_time = psutil.Process.create_time, psutil.boot_time()
    monkeypatch.setattr(psutil, "boot_time", lambda: boot_time + 3600)
    monkeypatch.setattr(psutil.Process, "create_time", lambda process: create_time(process) + 3600)
    found = state.read_running(layout)
    assert found == noted
    assert not found.is_alive(me, started_at(me) - 60), "another one with its number"
    assert abs(started_at(me) - noted.started_at) < 2, "who supervises goes on counting as before"
    monkeypatch.setattr(state, "boot_id", lambda: "the next boot")
    assert not found.is_alive(me, noted.started_at), "as early after its boot, and with its number"


def test_what_an_older_version_wrote_is_read(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.run.mkdir()
    me = os.getpid()
    state.State("running", me, started_at(me), 2000).write(layout.state_file)
    written = json.loads(layout.state_file.read_text(encoding="utf-8"))
    del written["boot_id"], written["booted_at"]
    layout.state_file.write_text(json.dumps(written), encoding="utf-8")
    assert state.read_running(layout).pid == me
