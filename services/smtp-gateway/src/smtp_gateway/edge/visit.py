"""Who brings a message, and how."""

from dataclasses import dataclass

from directoryclient import Identity
from mailproto.smtp.server_commands import Hello
from senderauth.authres import MethodResult
from servicekit.tcp import Connection

from smtp_gateway.core.roles import Role
from smtp_gateway.edge.client import Client
from smtp_gateway.edge.hooking import Hooking


@dataclass(frozen=True, slots=True)
class Visit:
    """`who` is None where nobody has logged in. `marks` is what was found out of the client,
    `hooking` the operator's hooks that are asked in this session."""

    role: Role
    connection: Connection
    client: Client
    hello: Hello
    who: Identity | None
    marks: tuple[MethodResult, ...] = ()
    hooking: Hooking | None = None
