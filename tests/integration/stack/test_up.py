"""`posthouse up` as an operator meets it: kill -9 of everything, two side by side, clear sentences, no process left."""

import imaplib
import json
import os
import pwd
import shutil
import smtplib
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

import psutil
import pytest
from posthouse.stack.ports import Ports
from posthouse.supervisor import state

from tests.support.platform import Platform, free_base

POSTHOUSE = [sys.executable, "-m", "posthouse"]


def run(*words: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
    return subprocess.run([*POSTHOUSE, *words], capture_output=True, text=True, input=stdin, timeout=120)


def test_data_survives_a_kill_of_everything_and_nothing_is_left_running(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with Platform.start(folder) as platform:
        bob = platform.account("bob")
        with smtplib.SMTP("127.0.0.1", platform.ports.smtp) as session:
            session.sendmail("x@peer.invalid", [bob.address], b"Subject: before the storm\r\n\r\nx\r\n")
        before = state.read(platform.layout)
        assert before is not None
        platform.kill_all()
        platform.up()
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with imaplib.IMAP4("127.0.0.1", platform.ports.imap) as reader:
                reader.login(bob.address, bob.password)
                reader.select("INBOX", readonly=True)
                found = reader.search(None, "SUBJECT", '"before the storm"')[1][0]
            if found:
                break
            time.sleep(0.1)
        assert found
        # The supervisor alone is killed: its children go with it, and the next start is clean.
        running = state.read(platform.layout)
        assert running is not None
        os.kill(platform.pid, 9)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and any(
            state.is_alive(p.pid, p.started_at) for p in running.processes
        ):
            time.sleep(0.1)
        assert not [p.name for p in running.processes if state.is_alive(p.pid, p.started_at)]
        assert platform._process is not None
        platform._process.wait()
        platform.up()
        running = state.read(platform.layout)
        assert running is not None
    assert not [p.name for p in running.processes if state.is_alive(p.pid, p.started_at)]


def test_problems_are_one_clear_sentence(tmp_path: Path) -> None:
    base = free_base()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", Ports.at(base).imap))
        taken.listen()
        done = run("up", "--data", str(tmp_path / "a"), "--port-base", str(base))
    assert done.returncode == 1
    assert f"port {Ports.at(base).imap} (imap) is in use by" in done.stderr
    assert "--port-base" in done.stderr
    assert run("up", "--port-base", "99").stderr.count("\n") == 1
    assert "there is no service nonsense" in run("up", "--workers", "nonsense=2").stderr
    done = run("status", "--data", str(tmp_path / "nothing"))
    assert (done.returncode, done.stdout) == (3, "")
    assert "posthouse up" in done.stderr
    assert run("up", "--no-such-option").returncode == 2
    full = tmp_path / "file"
    full.write_text("not a folder")
    done = run("up", "--data", str(full / "data"))
    assert done.returncode == 1
    assert "cannot be made" in done.stderr


def test_the_command_from_the_outside(tmp_path: Path) -> None:
    with Platform.start(tmp_path / "data", workers="smtp-gateway=2,imap=2") as platform:
        data = ("--data", str(platform.folder))
        other = run("up", *data, "--port-base", str(platform.ports.base))
        assert other.returncode == 1
        assert "in use by another `posthouse up`" in other.stderr
        table = run("status", "--once", *data)
        assert table.returncode == 0
        for name in ("postgres", "nats", "seaweedfs", "smtp-gateway-2", "imap-2", "admin-api"):
            assert name in table.stdout
        assert run("doctor", *data).returncode == 0
        assert run("tenant", "create", "acme", *data).stdout == "tenant acme created\n"
        assert run("domain", "create", "acme.test", "--tenant", "acme", *data).returncode == 0
        again = run("domain", "create", "ACME.test", "--tenant", "demo", *data)
        assert (again.returncode, again.stdout) == (1, "")
        assert "in use already" in again.stderr
        made = run("account", "create", "carol@acme.test", "--password-stdin", *data, stdin="secret-secret\n")
        assert made.returncode == 0, made.stderr
        assert (
            run(
                "account", "create", "x@nowhere.test", "--password-stdin", *data, stdin="secret-secret\n"
            ).returncode
            == 1
        )
        assert (
            run("account", "create", "d@acme.test", "--password-stdin", *data, stdin="short\n").returncode
            == 1
        )
        assert run("alias", "create", "all@acme.test", "--to", "carol@acme.test", *data).returncode == 0
        csv = tmp_path / "people.csv"
        csv.write_text(
            "address,password,display_name\ndan@acme.test,long-enough,Dan\nbad address,x,\neve@acme.test,,\n"
        )
        imported = run("account", "import", str(csv), *data)
        assert imported.returncode == 1
        assert "2 created, 1 refused" in imported.stdout
        assert "line 3" in imported.stderr
        sent = run(
            *("send", "--from", "carol@acme.test", "--to", "all@acme.test", "--password-stdin", *data),
            stdin="secret-secret\n",
        )
        assert sent.stdout.startswith("250 2.0.0 Accepted"), sent.stderr
        assert run("send", "--mx", "--from", "x@y.test", "--to", "nobody@acme.test", *data).returncode == 1
        forged = tmp_path / "forged.eml"
        forged.write_text("From: somebody.else@acme.test\nSubject: x\n\nx\n")
        words = ("send", "--from", "carol@acme.test", "--to", "all@acme.test", "--file", str(forged))
        refused = run(*words, "--password-stdin", *data, stdin="secret-secret\n")
        assert (refused.returncode, refused.stdout) == (1, "")
        assert "the message was refused: 550 5.7.1" in refused.stderr
        assert run("domain", "delete", "acme.test", *data).returncode == 1
        assert (
            "message_accepted"
            in run("logs", "smtp-gateway", *data).stdout + run("logs", "smtp-gateway-2", *data).stdout
        )
        assert run("logs", "nonsense", *data).returncode == 1
        assert run("down", *data).stdout == "stopped\n"
        assert run("tenant", "list", *data).returncode == 3


def python_for(folder: Path, prefix: list[str]) -> Path:
    """A Python with our packages that `prefix` may run: ours, or one like it made in `folder`."""
    ours = Path(sys.executable)
    if (
        subprocess.run([*prefix, str(ours), "-m", "posthouse", "--version"], capture_output=True).returncode
        == 0
    ):
        return ours
    # Ours may lie in a home that is closed to others; the system's Python of the same version will do.
    system = f"/usr/bin/python3.{sys.version_info.minor}"
    if subprocess.run([*prefix, system, "--version"], capture_output=True).returncode:
        pytest.skip("no Python of this version that an ordinary user can run")
    subprocess.run([*prefix, system, "-m", "venv", "--without-pip", str(folder / "venv")], check=True)
    made = folder / "venv" / "bin" / "python"
    packages = sysconfig.get_paths(vars={"base": str(folder / "venv")})["purelib"]
    Path(packages, "posthouse.pth").write_text(
        f"import site; site.addsitedir({sysconfig.get_paths()['purelib']!r})\n"
    )
    for program in ("nats-server", "weed"):
        (made.parent / program).symlink_to(ours.parent / program)
    asked = subprocess.run(
        [*prefix, str(made), "-m", "posthouse", "--version"], capture_output=True, text=True
    )
    if asked.returncode:
        pytest.skip(f"this checkout is closed to ordinary users: {asked.stderr.strip().splitlines()[-1]}")
    return made


@pytest.mark.skipif(
    os.geteuid() != 0, reason="this run is an ordinary user's, so every other test here shows it already"
)
def test_an_ordinary_user_can_run_it() -> None:
    user = pwd.getpwnam("nobody")
    folder = Path(tempfile.mkdtemp(prefix="posthouse-user-", dir="/tmp"))
    shutil.chown(folder, user.pw_uid, user.pw_gid)
    prefix = [
        *("setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "--inh-caps=-all"),
        *("env", "-C", str(folder), "-u", "XDG_RUNTIME_DIR", f"HOME={folder}"),
    ]
    try:
        python = str(python_for(folder, prefix))
        words = ["up", "--detach", "--json", "--data", str(folder / "data"), "--port-base", str(free_base())]
        done = subprocess.run(
            [*prefix, python, "-m", "posthouse", *words], capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert json.loads(done.stdout)["credentials_file"] == str(folder / "data" / "credentials.txt")
        running = state.read(Platform(folder / "data", 2000, "", {}, "").layout)
        assert running is not None
        owners = {psutil.Process(p.pid).uids().real for p in running.processes}
        assert owners == {user.pw_uid}
        assert run("down", "--data", str(folder / "data")).returncode == 0
    finally:
        shutil.rmtree(folder, ignore_errors=True)
