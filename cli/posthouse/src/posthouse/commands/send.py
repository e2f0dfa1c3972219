"""posthouse send: a test message, through the door that a user's program would take."""

import smtplib
import ssl
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from uuid import uuid4

import typer

from posthouse.api import DEFAULT_DATA
from posthouse.commands.options import Json
from posthouse.errors import Problem, Refused, Unreachable
from posthouse.output import as_json, console, guarded
from posthouse.stack.layout import Layout
from posthouse.stack.ports import Ports
from posthouse.supervisor import state


def _known_password(layout: Layout, address: str) -> str:
    """The password of a first account. Raises Problem."""
    try:
        for line in layout.credentials_file.read_text(encoding="utf-8").splitlines():
            known, _, password = line.partition(" ")
            if known == address:
                return password
    except OSError:
        pass
    raise Problem(
        f"the password of {address} is not in {layout.credentials_file}: give it with --password-stdin."
    )


@guarded
def send(
    sender: Annotated[str, typer.Option("--from", help="An account's address.")],
    to: Annotated[list[str], typer.Option("--to", help="A recipient; may be given several times.")],
    subject: Annotated[str, typer.Option(help="The subject.")] = "A message by post",
    body: Annotated[str, typer.Option(help="The text.")] = "The horses are fresh.",
    file: Annotated[
        Path | None, typer.Option(help="Send this file as it is (a whole message) instead.")
    ] = None,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input.")
    ] = False,
    mx: Annotated[
        bool, typer.Option("--mx", help="Send as a stranger from the world: no login, port SMTP.")
    ] = False,
    data: Annotated[
        Path, typer.Option("--data", help="Data folder of the running installation.")
    ] = DEFAULT_DATA,
    json: Json = False,
) -> None:
    """Send a test message by SMTP: as a user with TLS and login, or with --mx as the world would."""
    # Only here: other commands need not load it.
    from mailmsg.compose import build_text

    layout = Layout(data.absolute())
    ports = Ports.at(state.read_running(layout).port_base)
    try:
        content = (
            file.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
            if file is not None
            else build_text(
                sender=sender,
                recipients=to,
                subject=subject,
                text=body,
                message_id=f"<{uuid4().hex}@{sender.rpartition('@')[2]}>",
                sent_at=datetime.now(UTC),
            )
        )
    except OSError as error:
        raise Problem(f"{file} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise Problem(f"that makes no message: {error}.") from error
    try:
        with smtplib.SMTP("127.0.0.1", ports.smtp if mx else ports.submission, timeout=30) as session:
            session.ehlo_or_helo_if_needed()
            if not mx:
                session.starttls(context=_trusting(layout))
                password = (
                    sys.stdin.readline().rstrip("\r\n") if password_stdin else _known_password(layout, sender)
                )
                session.login(sender, password)
            code, text = session.mail(sender)
            if code >= 400:
                raise Refused(f"{sender} was refused: {code} {text.decode(errors='replace')}")
            for recipient in to:
                code, text = session.rcpt(recipient)
                if code >= 400:
                    raise Refused(f"{recipient} was refused: {code} {text.decode(errors='replace')}")
            code, text = session.data(content)
    except smtplib.SMTPResponseException as error:
        reason = error.smtp_error
        shown = reason.decode(errors="replace") if isinstance(reason, bytes) else reason
        raise Refused(f"refused: {error.smtp_code} {shown}") from error
    except (OSError, smtplib.SMTPException) as error:
        raise Unreachable(f"the smtp-gateway does not answer: {error}.") from error
    answer = f"{code} {text.decode(errors='replace')}"
    if code >= 400:
        raise Refused(f"the message was refused: {answer}")
    as_json({"code": code, "answer": answer}) if json else console.print(answer, markup=False)


def _trusting(layout: Layout) -> ssl.SSLContext:
    """The installation's own certificate, and no other."""
    return ssl.create_default_context(cafile=str(layout.tls / "certificate.pem"))
