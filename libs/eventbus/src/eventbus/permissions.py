"""What each service may say and hear on the bus: its NATS user has these permissions and no others.

`posthouse up` writes them into nats-server's configuration; `python -m eventbus.permissions`
prints them for another one. A service's answers come to an inbox of its own
(`_INBOX_<user>`): nobody else can listen to them. The user's name is the service's.
"""

import json
from dataclasses import dataclass

from eventbus import subjects

OPERATOR = "operator"
STREAM = subjects.MAIL_STREAM


@dataclass(frozen=True, slots=True)
class Permissions:
    """Subjects, with NATS' wildcards; what is not listed is refused."""

    publish: tuple[str, ...] = ()
    subscribe: tuple[str, ...] = ()


def inbox_prefix(user: str) -> str:
    """Where answers to this user come."""
    return f"_INBOX_{user}"


def _sees_to(stream: str) -> tuple[str, ...]:
    """Makes a stream where it is missing, and checks it."""
    return (f"$JS.API.STREAM.INFO.{stream}", f"$JS.API.STREAM.CREATE.{stream}")


def _pulls(stream: str, durable: str, filter_subject: str) -> tuple[str, ...]:
    return (
        f"$JS.API.CONSUMER.CREATE.{stream}.{durable}.{filter_subject}",
        f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{durable}",
        f"$JS.ACK.{stream}.{durable}.>",
    )


def _keeps(ledger: str) -> tuple[str, ...]:
    """Makes a ledger, reads it and writes it; hearing its changes is subscribing to ledger.<name>.*."""
    kept = f"LEDGER_{ledger.upper()}"
    return (
        f"$JS.API.STREAM.*.{kept}",
        f"$JS.API.DIRECT.GET.{kept}.>",
        f"$JS.API.CONSUMER.*.{kept}",
        f"$JS.API.CONSUMER.*.{kept}.>",
        f"$JS.API.CONSUMER.MSG.NEXT.{kept}.*",
        f"$JS.ACK.{kept}.>",
        f"ledger.{ledger}.*",
    )


_ACCEPTS = (*_sees_to(STREAM), subjects.MAIL_LOCAL, subjects.MAIL_RELAY)
_CHANGES_MAILBOXES = (f"{subjects.MAILBOX_CHANGED}.*",)
_DOOR_LEDGERS = (
    "bans",
    "operator_bans",
    "suspended_senders",
    "sender_use",
    "greylist_seen",
    "greylist_known",
    "full",
)
_HEARS_DIRECTORY = (subjects.DIRECTORY_CHANGED,)

SERVICES: dict[str, Permissions] = {
    "directory": Permissions(publish=(subjects.DIRECTORY_CHANGED, subjects.LOGIN_NOTICED)),
    "smtp-gateway": Permissions(
        publish=(
            *_ACCEPTS,
            subjects.LIMITS_SPENT,
            subjects.SENDING_SUSPENDED,
            subjects.DMARC_RESULT,
            *(subject for ledger in _DOOR_LEDGERS for subject in _keeps(ledger)),
        ),
        subscribe=(
            *_HEARS_DIRECTORY,
            subjects.LIMITS_SPENT,
            subjects.MAIL_JUDGED,
            *(f"ledger.{ledger}.*" for ledger in _DOOR_LEDGERS),
        ),
    ),
    "mta-queue": Permissions(
        publish=(
            *_ACCEPTS,
            *_sees_to(subjects.EVENTS_STREAM),
            subjects.ALL_EVENTS,
            *_pulls(STREAM, "mta-queue", subjects.MAIL_RELAY),
        ),
        subscribe=(
            *_HEARS_DIRECTORY,
            subjects.DMARC_RESULT,
            subjects.MAIL_RETURNED,
            subjects.LOGIN_NOTICED,
        ),
    ),
    "mda": Permissions(
        publish=(
            *_ACCEPTS,
            *_pulls(STREAM, "mda", subjects.MAIL_LOCAL),
            *_sees_to(subjects.ACTED_STREAM),
            *_pulls(subjects.ACTED_STREAM, "mda-scripts", subjects.ALL_ACTED),
            *_CHANGES_MAILBOXES,
            subjects.MAIL_RETURNED,
            subjects.ALL_EVENTS,
            subjects.MAIL_JUDGED,
            *_keeps("full"),
        ),
        subscribe=(
            *_HEARS_DIRECTORY,
            "ledger.full.*",
            f"{subjects.MAILBOX_SORTED}.*",
            f"{subjects.MAILBOX_READ}.*",
        ),
    ),
    "imap": Permissions(
        publish=(
            *_CHANGES_MAILBOXES,
            f"{subjects.MAILBOX_SORTED}.*",
            f"{subjects.MAILBOX_READ}.*",
            subjects.ALL_ACTED,
        ),
        subscribe=(*_HEARS_DIRECTORY, f"{subjects.MAILBOX_CHANGED}.*"),
    ),
    "pop3": Permissions(publish=_CHANGES_MAILBOXES, subscribe=_HEARS_DIRECTORY),
    "managesieve": Permissions(subscribe=_HEARS_DIRECTORY),
    # Repairs: `posthouse respool` looks into the stream and puts back what is lost.
    OPERATOR: Permissions(publish=(">",), subscribe=(">",)),
}


def configuration(passwords: dict[str, str]) -> str:
    """The `users` of nats-server's `authorization` block; `passwords` by user, in clear or as bcrypt."""
    users = []
    for name, password in passwords.items():
        rights = SERVICES[name]
        hears = (*rights.subscribe, f"{inbox_prefix(name)}.>")
        users.append(
            f"    {{ user: {json.dumps(name)}, password: {json.dumps(password)}, permissions: {{\n"
            f"      publish: {_allow(rights.publish)}\n      subscribe: {_allow(hears)}\n    }} }}"
        )
    return "users: [\n" + "\n".join(users) + "\n  ]"


def _allow(subjects_allowed: tuple[str, ...]) -> str:
    # To nats-server an empty list of what is allowed means everything.
    return f"{{ allow: {json.dumps(list(subjects_allowed))} }}" if subjects_allowed else '{ deny: ">" }'


def main() -> None:
    """`python -m eventbus.permissions`: for a nats-server that somebody else runs; passwords are left to fill in."""
    print("authorization {\n  " + configuration({name: f"${name.upper()}" for name in SERVICES}) + "\n}")


if __name__ == "__main__":
    main()
