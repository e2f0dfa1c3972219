"""The command `posthouse` against a running API, by --url and --token: what it prints and how it ends.

0 done, 1 refused, 2 used wrongly, 3 not reachable.
"""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from posthouse.__main__ import app
from typer.testing import CliRunner, Result

from tests.support.dnsserver import free_port

from .conftest import PASSWORD, TOKEN, Stage

DONE, REFUSED, WRONG, UNREACHABLE = 0, 1, 2, 3


def run(*arguments: str, given: str = "", **environment: str) -> Result:
    # Not to a terminal: rows are lines however narrow somebody's screen is.
    result = CliRunner().invoke(
        app,
        list(arguments),
        input=given,
        env={"POSTHOUSE_URL": None, "POSTHOUSE_TOKEN": None, "COLUMNS": "40", **environment},
    )
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


class Command:
    """The command with the URL and the token of the stage."""

    def __init__(self, url: str) -> None:
        self.where = ("--url", url, "--token", TOKEN)

    def __call__(self, *arguments: str, given: str = "", code: int = DONE) -> Result:
        result = run(*arguments, *self.where, given=given)
        assert result.exit_code == code, result.output
        if code != DONE:
            assert result.stderr.startswith("posthouse: "), result.stderr
            assert "Traceback" not in result.stderr
        return result

    def json(self, *arguments: str, given: str = "") -> Any:
        return json.loads(self(*arguments, "--json", given=given).stdout)


@pytest.fixture
def command(stage: Stage) -> Command:
    return Command(stage.url)


def test_a_tenants_life(command: Command, tenant: str) -> None:
    name = f"{tenant}-c"
    assert command("tenant", "create", name, "--display-name", "C & Co").stdout == f"tenant {name} created\n"
    assert f"there is a tenant {name} already" in command("tenant", "create", name, code=REFUSED).stderr
    [found] = [each for each in command.json("tenant", "list") if each["name"] == name]
    assert found["display_name"] == "C & Co"
    assert command.json("tenant", "show", name) == found
    assert command("tenant", "suspend", name).stdout == f"tenant {name} suspended\n"
    assert command.json("tenant", "restore", name)["suspended"] is False
    assert name in command("tenant", "list").stdout
    assert command("tenant", "delete", name).stdout == f"tenant {name} deleted\n"
    assert f"there is no tenant {name}" in command("tenant", "delete", name, code=REFUSED).stderr
    assert "still has domains" in command("tenant", "delete", tenant, code=REFUSED).stderr
    assert "1 to 63" in command("tenant", "create", "Not A Name", code=REFUSED).stderr


def test_a_domains_life(command: Command, tenant: str) -> None:
    name = f"b.{tenant}.example"
    made = command.json("domain", "create", name.upper(), "--tenant", tenant)
    assert (made["name"], made["tenant"]) == (name, tenant)
    assert "in use already" in command("domain", "create", name, "--tenant", tenant, code=REFUSED).stderr
    assert "nobody" in command("domain", "create", f"c.{name}", "--tenant", "nobody", code=REFUSED).stderr
    assert [each["name"] for each in command.json("domain", "list", "--tenant", tenant)] == [
        name,
        f"{tenant}.example",
    ]
    assert command.json("domain", "show", name) == made
    assert command.json("domain", "delete", name) == {"deleted": name}
    assert "there is no domain" in command("domain", "show", name, code=REFUSED).stderr


def test_an_accounts_life(command: Command, tenant: str, stage: Stage) -> None:
    address = f"carol@{tenant}.example"
    create = ("account", "create", address, "--password-stdin", "--display-name", "Carol [bold]x[/nothing]")
    assert command(*create, given=f"{PASSWORD}\nignored\n").stdout == f"account {address} created\n"
    assert "in use already" in command(*create, given=PASSWORD, code=REFUSED).stderr
    [found] = command.json("account", "list", "--domain", f"{tenant}.example")
    assert (found["address"], found["tenant"]) == (address, tenant)
    # Shown as it is, and not read for markup.
    assert "Carol [bold]x[/nothing]" in command("account", "list", "--tenant", tenant).stdout
    assert found["account_id"] in command("account", "show", address).stdout
    assert command("account", "suspend", address).stdout == f"account {address} suspended\n"
    assert command.json("account", "restore", address)["suspended"] is False
    password = ("account", "password", address, "--password-stdin")
    assert command(*password, given="another password\n").stdout == f"account {address} has a new password\n"
    assert "at least 8 characters" in command(*password, given="short\n", code=REFUSED).stderr
    assert "no password on its first line" in command(*password, code=REFUSED).stderr
    assert "--password-stdin" in command(*password[:3], given=PASSWORD, code=REFUSED).stderr
    assert command.json("account", "delete", address) == {"deleted": address}
    assert "there is no account" in command("account", "delete", address, code=REFUSED).stderr
    assert command("account", "list", "--tenant", tenant).stdout == "There are no accounts.\n"
    assert command.json("account", "list", "--tenant", tenant) == []


def test_an_alias_life(command: Command, tenant: str) -> None:
    address, far = f"team@{tenant}.example", "far@elsewhere.example"
    create = ("alias", "create", address, "--to", far, "--to", f"alice@{tenant}.example")
    assert command(*create).stdout == f"alias {address} created\n"
    assert "in use already" in command(*create, code=REFUSED).stderr
    [found] = command.json("alias", "list", "--tenant", tenant)
    assert found["targets"] == [far, f"alice@{tenant}.example"]
    assert f"{far}, alice@" in command("alias", "list", "--domain", f"{tenant}.example").stdout
    assert command("alias", "delete", address).stdout == f"alias {address} deleted\n"
    assert command.json("alias", "list", "--tenant", tenant) == []
    assert command("alias", "list", "--tenant", tenant).stdout == "There are no aliases.\n"


def test_a_name_is_one_thing_and_never_another(command: Command, tenant: str) -> None:
    """What means something in a URL is part of the name."""
    domain = f"{tenant}.example"
    for local_part in ("bob", "a?b", "a#b", "a/b", "a%2fb"):
        command("account", "create", f"{local_part}@{domain}", "--password-stdin", given=PASSWORD)
    for name in (
        f"bob@{domain}#x",
        f"bob@{domain}?x",
        f"x/../bob@{domain}",
        f"bob@{domain}/",
        f"bob@{domain}%0a",
        "..",
        ".",
    ):
        command("account", "delete", name, code=REFUSED)
    # Some shells give what a user did not mean to give.
    for kind in ("tenant", "domain", "account", "alias"):
        assert run(kind, "delete", "", *command.where).exit_code != DONE
    assert len(command.json("account", "list", "--domain", domain)) == 5
    for local_part in ("a?b", "a#b", "a/b", "a%2fb"):
        address = f"{local_part}@{domain}"
        assert command.json("account", "show", address)["address"] == address
        command("account", "delete", address)
    assert [each["address"] for each in command.json("account", "list", "--domain", domain)] == [
        f"bob@{domain}"
    ]


# -- import


def test_import_creates_what_it_can_and_names_the_rest(command: Command, tenant: str, tmp_path: Path) -> None:
    domain = f"{tenant}.example"
    file = tmp_path / "people.csv"
    file.write_text(
        "\ufeffaddress,password,display_name\n"
        f'alice@{domain},"a password, with a comma",Alice\n'
        f"bob@{domain},,Bob\n"
        f"alice@{domain},{PASSWORD},Again\n"
        f"carol@{domain},short,Carol\n"
        f"dave@{domain},not,quoted,Dave\n"
        "erin@nowhere.example,,Erin\n"
        f"Zoë <zoe@{domain}>,,\n"
        f"frank@{domain}\n",
        encoding="utf-8",
    )
    result = run("account", "import", str(file), *command.where, "--json")
    assert result.exit_code == REFUSED
    report = json.loads(result.stdout)
    assert [each["address"] for each in report["created"]] == [
        f"{name}@{domain}" for name in ("alice", "bob", "frank")
    ]
    # Those that were made up, and no others.
    assert ["password" in each for each in report["created"]] == [False, True, True]
    assert [each["line"] for each in report["refused"]] == [4, 5, 6, 7, 8]
    reasons = " ".join(each["reason"] for each in report["refused"])
    for reason in (
        "in use already",
        "at least 8",
        "more fields than columns",
        "nowhere.example",
        "before the @",
    ):
        assert reason in reasons
    assert report["stopped"] is None
    assert len(command.json("account", "list", "--domain", domain)) == 3
    assert command.json("account", "show", f"frank@{domain}")["display_name"] == ""


def test_import_for_people(command: Command, tenant: str, tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text(f"display_name,address\nAlice,alice@{tenant}.example\n")
    lines = command("account", "import", str(file)).stdout.splitlines()
    assert lines[0].startswith(f"alice@{tenant}.example ")
    assert len(lines[0].partition(" ")[2]) >= 12
    assert lines[1:] == ["1 created, 0 refused"]
    result = run("account", "import", str(file), *command.where)
    assert result.exit_code == REFUSED
    assert result.stdout == "0 created, 1 refused\n"
    assert result.stderr.startswith(f"line 2: alice@{tenant}.example: ")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "no column `address`"),
        (b"mail,password\na@b.example,x\n", "no column `address`"),
        (b"address\n\xff\xfe\n", "cannot be read"),
        (b'address\n"' + b"x" * 200_000 + b'"\n', "cannot be read"),
        (None, "cannot be read"),
    ],
)
def test_import_of_what_is_no_such_file(
    command: Command, tmp_path: Path, content: bytes | None, sentence: str
) -> None:
    file = tmp_path / "people.csv"
    if content is not None:
        file.write_bytes(content)
    assert sentence in command("account", "import", str(file), code=REFUSED).stderr


# -- other ends


class Handler(BaseHTTPRequestHandler):
    """Answers the first accounts as the API would, and then is away."""

    left = 2

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        type(self).left -= 1
        status = 201 if self.left >= 0 else 503
        answer = json.dumps(
            {"address": body["address"], "detail": "The directory cannot be reached now."}
        ).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "6")
        self.end_headers()
        self.wfile.write(b"<html>")

    def do_DELETE(self) -> None:
        self.send_response(302)
        self.send_header("Location", "/login")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        return


@pytest.fixture
def strange() -> Iterator[Command]:
    """A server that is no admin API, or not for long."""
    Handler.left = 2
    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield Command(f"http://127.0.0.1:{server.server_address[1]}")
    server.shutdown()
    thread.join()
    server.server_close()


def test_import_that_is_broken_off_still_tells_the_passwords_it_made(
    strange: Command, tmp_path: Path
) -> None:
    file = tmp_path / "people.csv"
    file.write_text("address\n" + "".join(f"a{number}@a.example\n" for number in range(5)))
    result = run("account", "import", str(file), *strange.where, "--json")
    assert result.exit_code == UNREACHABLE
    assert "cannot be reached now" in result.stderr
    report = json.loads(result.stdout)
    assert [each["address"] for each in report["created"]] == ["a0@a.example", "a1@a.example"]
    assert all(each["password"] for each in report["created"])
    assert "cannot be reached now" in report["stopped"]


def test_another_server_is_not_taken_for_the_api(strange: Command) -> None:
    for arguments in (("tenant", "list"), ("tenant", "delete", "demo"), ("account", "show", "a@a.example")):
        assert "does not answer as an admin API does" in strange(*arguments, code=UNREACHABLE).stderr


def test_nobody_answers(tmp_path: Path) -> None:
    nobody = Command(f"http://127.0.0.1:{free_port()}")
    for arguments in (
        ("tenant", "list"),
        ("domain", "create", "a.example", "--tenant", "demo"),
        ("alias", "delete", "a@a.example"),
    ):
        assert "does not answer" in nobody(*arguments, code=UNREACHABLE).stderr
    result = run("tenant", "list", "--data", str(tmp_path))
    assert result.exit_code == UNREACHABLE
    assert result.stderr.startswith("posthouse: ")


def test_the_token_decides(stage: Stage, tmp_path: Path) -> None:
    url = ("--url", stage.url)
    file = tmp_path / "token"
    file.write_text(TOKEN + "\n")
    for where, environment, code in (
        ((*url, "--token", TOKEN), {}, DONE),
        ((*url, "--token-file", str(file)), {}, DONE),
        (url, {"POSTHOUSE_TOKEN": TOKEN}, DONE),
        ((), {"POSTHOUSE_TOKEN": TOKEN, "POSTHOUSE_URL": stage.url + "/"}, DONE),
        (url, {}, REFUSED),
        ((*url, "--token", "wrong"), {}, REFUSED),
        ((*url, "--token", "wr\nong"), {}, REFUSED),
        ((*url, "--token", "fälsch"), {}, REFUSED),
        ((*url, "--token-file", str(tmp_path / "missing")), {}, REFUSED),
        (("--url", stage.url.removeprefix("http://"), "--token", TOKEN), {}, REFUSED),
        (("--url", "http://[::1", "--token", TOKEN), {}, REFUSED),
    ):
        result = run("tenant", "list", *where, **environment)
        assert result.exit_code == code, (where, result.output)
        if code != DONE:
            assert "token" in result.stderr or "http" in result.stderr
            assert TOKEN not in result.output


def test_used_wrongly(command: Command) -> None:
    for arguments in (
        ("tenant", "create"),
        ("domain", "create", "a.example"),
        ("alias", "create", "a@a.example"),
        ("account", "destroy", "a@a.example"),
        ("tenant", "list", "--nonsense"),
        ("nonsense",),
    ):
        assert run(*arguments).exit_code == WRONG, arguments


def test_as_a_process_in_a_script(stage: Stage, tenant: str) -> None:
    """The same through the door that scripts use: exit code, one JSON document, nothing else on standard output."""
    address = f"carol@{tenant}.example"
    done = subprocess.run(
        [sys.executable, "-m", "posthouse", "account", "create", address, "--password-stdin", "--json"],
        input=PASSWORD + "\n",
        capture_output=True,
        text=True,
        env={"POSTHOUSE_URL": stage.url, "POSTHOUSE_TOKEN": TOKEN},
    )
    assert (done.returncode, done.stderr) == (DONE, "")
    assert json.loads(done.stdout)["address"] == address


def test_an_address_that_looks_like_another_one_is_made_only_when_that_is_said(
    command: Command, tenant: str
) -> None:
    domain = f"{tenant}.example"
    said = ("--password-stdin",)
    command("account", "create", f"bill@{domain}", *said, given=PASSWORD + "\n")
    like = f"bi11@{domain}"
    refused = command("account", "create", like, *said, given=PASSWORD + "\n", code=REFUSED)
    assert "looks like bill" in refused.stderr
    refused = command("alias", "create", like, "--to", f"bill@{domain}", code=REFUSED)
    assert "looks like bill" in refused.stderr
    command("alias", "create", like, "--to", f"bill@{domain}", "--even-if-confusable")
    command("alias", "delete", like)
    made = command.json("account", "create", like, *said, "--even-if-confusable", given=PASSWORD + "\n")
    assert made["address"] == like
