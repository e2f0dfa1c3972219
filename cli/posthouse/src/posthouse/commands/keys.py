"""posthouse keys: status, begin, rewrap, retire. The key-encryption keys that wrap tenants' keys."""

import fcntl
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from posthouse.api import DEFAULT_DATA, Api
from posthouse.commands.options import Json, asking, client
from posthouse.errors import Problem
from posthouse.output import as_json, console, guarded, table
from posthouse.stack.layout import Layout

if TYPE_CHECKING:
    from servicekit.sealing import Sealer

app = typer.Typer(
    no_args_is_help=True,
    help="Key-encryption keys, which wrap the keys of tenants. To make a deletion final for backups too: begin, rewrap, retire.",
)
KEYRING = "key-encryption-keys"
Here = Annotated[Path, typer.Option("--data", help="Data folder of the installation.")]


@app.command()
@asking
def status(api: Api, json: bool) -> None:
    """Say which key-encryption key wraps now, and how many keys each wraps."""
    found = api.call("GET", "/v1/keys")
    if json:
        as_json(found)
        return
    console.print(f"{found['current']} wraps now", markup=False)
    table(found["uses"], ("wrapped_with", "keys"), "No tenant has a key.")


@app.command()
@asking
def rewrap(api: Api, json: bool) -> None:
    """Wrap all keys with the key-encryption key that wraps now. No mail is touched."""
    done = api.call("POST", "/v1/keys/rewrap")
    if json:
        as_json(done)
    else:
        console.print(f"{done['rewrapped']} keys rewrapped")
        if done["unopened"]:
            console.print(f"{done['unopened']} could not be: what wrapped them is not here any more")
    if done["unopened"]:
        raise typer.Exit(1)


@app.command()
@guarded
def begin(data: Here = DEFAULT_DATA, json: Json = False) -> None:
    """Put a new key-encryption key on top of the installation's keyring file; the older ones still unwrap."""
    layout = Layout(data.absolute())
    with _alone(layout):
        _write(layout, [secrets.token_urlsafe(32), *_lines(layout)])
        name = _sealer(_lines(layout)).current
    as_json({"current": name}) if json else console.print(f"{name} wraps from now on", markup=False)


@app.command()
@guarded
def retire(data: Here = DEFAULT_DATA, json: Json = False) -> None:
    """Remove all key-encryption keys but the newest from the keyring file, where they wrap nothing any more."""
    layout = Layout(data.absolute())
    with _alone(layout):
        lines = _lines(layout)
        found = _wrapping(client(data, None, None, None))
        if found["current"] != _sealer(lines).current:
            raise Problem("the directory wraps with another key than the first one in the keyring file.")
        others = [use for use in found["uses"] if use["wrapped_with"] != found["current"]]
        if others:
            keys = sum(use["keys"] for use in others)
            raise Problem(
                f"{keys} keys are still wrapped with older ones; `posthouse keys rewrap` comes first."
            )
        _write(layout, lines[:1])
    if json:
        as_json({"current": found["current"], "retired": len(lines) - 1})
    else:
        console.print(f"{len(lines) - 1} retired")


def _wrapping(api: Api) -> dict[str, Any]:
    found: dict[str, Any] = api.call("GET", "/v1/keys")
    return found


@contextmanager
def _alone(layout: Layout) -> Iterator[None]:
    """Two that change the keyring at once would each write what the other has not seen: a key that wraps could get lost."""
    try:
        lock = (layout.secrets / f"{KEYRING}.lock").open("w")
    except OSError as error:
        raise Problem(f"the keyring in {layout.secrets} cannot be changed: {error.strerror}.") from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _lines(layout: Layout) -> list[str]:
    file = layout.secrets / KEYRING
    try:
        lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines()]
    except OSError as error:
        raise Problem(f"the keyring {file} cannot be read: {error.strerror}.") from error
    return [line for line in lines if line]


def _write(layout: Layout, lines: list[str]) -> None:
    layout.write_private(layout.secrets / KEYRING, "".join(f"{line}\n" for line in lines))


def _sealer(lines: list[str]) -> "Sealer":
    from directory.adapters.keyring import PURPOSE
    from servicekit.sealing import Sealer, SecretWeak

    try:
        return Sealer(lines, PURPOSE)
    except SecretWeak as error:
        raise Problem(f"the keyring file is no keyring: {error}.") from error
