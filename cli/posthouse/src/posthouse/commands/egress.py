"""posthouse egress: list, set, delete."""

from typing import Annotated

import typer

from posthouse.api import Api
from posthouse.commands.options import asking
from posthouse.commands.route import password_in
from posthouse.output import as_json as print_json
from posthouse.output import console, table

app = typer.Typer(no_args_is_help=True, help="Where connections come from: addresses and proxies, in pools.")
COLUMNS = (
    *("pool", "address", "proxy", "hello", "weight", "attempts_most"),
    *("warmup_first", "warmup_began", "messages_today"),
)
PoolName = Annotated[str, typer.Argument(help="The pool; routes name it.")]
Address = Annotated[str, typer.Option(help="An address of ours; without: whichever the system takes.")]
ProxyUrl = Annotated[str, typer.Option(help="socks5://host:port or haproxy://host:port.")]


@app.command("list")
@asking
def listing(api: Api, as_json: bool) -> None:
    """List the sources."""
    found = api.call("GET", "/v1/egress")["items"]
    print_json(found) if as_json else table(found, COLUMNS, "Mail leaves from wherever the system takes.")


@app.command("set")
@asking
def set_source(
    api: Api,
    as_json: bool,
    pool: PoolName,
    address: Address = "",
    proxy: ProxyUrl = "",
    username: Annotated[str, typer.Option(help="Who we are at a SOCKS5 proxy.")] = "",
    password_file: Annotated[
        str,
        typer.Option(help="A file with the password, - for standard input; without: the one that is kept."),
    ] = "",
    hello: Annotated[str, typer.Option(help="What is said in EHLO.")] = "",
    weight: Annotated[int, typer.Option(help="How often, beside the others.", min=0, max=1000)] = 1,
    warmup: Annotated[
        int, typer.Option(help="Messages on the first day, twice as many on each that follows; 0: no limit.")
    ] = 0,
    attempts: Annotated[
        int, typer.Option(help="Attempts that use it at once, in all processes; 0: no limit.", min=0)
    ] = 0,
) -> None:
    """Add a source to a pool, or change it."""
    made = api.call(
        "PUT",
        "/v1/egress",
        {
            "pool": pool,
            "address": address,
            "proxy": proxy,
            "username": username,
            "password": password_in(password_file),
            "hello": hello,
            "weight": weight,
            "warmup_first": warmup,
            "attempts_most": attempts,
        },
    )
    print_json(made) if as_json else table([made], COLUMNS, "")


@app.command()
@asking
def delete(api: Api, as_json: bool, pool: PoolName, address: Address = "", proxy: ProxyUrl = "") -> None:
    """Take a source out of its pool."""
    api.call("DELETE", "/v1/egress", pool=pool, address=address, proxy=proxy)
    print_json({"pool": pool, "address": address, "proxy": proxy}) if as_json else console.print(
        "source deleted"
    )
