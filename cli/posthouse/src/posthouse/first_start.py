"""The first start: a tenant, a domain and two accounts to try things with."""

from posthouse.api import Api, Target
from posthouse.passwords import made_up
from posthouse.stack.layout import Layout
from posthouse.stack.ports import Ports

TENANT, DOMAIN = "demo", "example.test"


def welcome(layout: Layout, ports: Ports, domain: str = DOMAIN) -> dict[str, str]:
    """Create what is missing; the new accounts' passwords by address, empty when it was all there.

    A start that was broken off half-way is finished: what is there already is left alone.
    """
    if layout.credentials_file.exists():
        return {}
    api = Api(Target(f"http://127.0.0.1:{ports.admin}", layout.secret("operator-token")))
    if not any(each["name"] == TENANT for each in api.every("/v1/tenants")):
        api.call("POST", "/v1/tenants", {"name": TENANT, "display_name": "Demo"})
    if not any(each["name"] == domain for each in api.every("/v1/domains", tenant=TENANT)):
        api.call("POST", "/v1/domains", {"name": domain, "tenant": TENANT})
    there = {each["address"] for each in api.every("/v1/accounts", tenant=TENANT)}
    passwords = {}
    for name in ("alice", "bob"):
        address = f"{name}@{domain}"
        passwords[address] = made_up()
        if address in there:
            api.call("PATCH", f"/v1/accounts/{address}", {"password": passwords[address]})
        else:
            body = {"address": address, "password": passwords[address], "display_name": name.capitalize()}
            api.call("POST", "/v1/accounts", body)
    layout.write_private(
        layout.credentials_file, "".join(f"{address} {password}\n" for address, password in passwords.items())
    )
    return passwords


def hints(ports: Ports, domain: str, shown_data: str) -> list[str]:
    """Three commands to try."""
    return [
        f"posthouse send --from alice@{domain} --to bob@{domain} --subject Hello{shown_data}",
        f"curl 'imap://127.0.0.1:{ports.imap}/INBOX;MAILINDEX=1' --user bob@{domain}   # asks for the password",
        f"xdg-open http://127.0.0.1:{ports.admin}/docs   # the admin API; its token is in the data folder",
    ]
