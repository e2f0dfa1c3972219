"""Who brings a message, and how."""

from dataclasses import dataclass

from directoryclient import Identity
from mailproto.smtp.server_commands import Hello
from servicekit.tcp import Connection

from smtp_gateway.core.roles import Role
from smtp_gateway.edge.client import Client


@dataclass(frozen=True, slots=True)
class Visit:
    """`who` is None where nobody has logged in."""

    role: Role
    connection: Connection
    client: Client
    hello: Hello
    who: Identity | None
