"""ENABLE (RFC 5161): what a client says it understands. What is not known is ignored."""

from mailproto.imap.commands import Enable

from imap.core.answer import Answer, ok
from imap.core.features import Feature
from imap.core.notifying import watch_annotations
from imap.core.session import Session

NAMED = {feature.value.upper(): feature for feature in Feature}


async def enable(session: Session, command: Enable) -> Answer:
    """Tell what was enabled by this command."""
    before = set(session.features)
    asked = [NAMED[name] for name in command.capabilities if name in NAMED]
    # RFC 7162 §3.2.3: QRESYNC is CONDSTORE and more.
    if Feature.QRESYNC in asked:
        asked.append(Feature.CONDSTORE)
    for feature in dict.fromkeys(asked):
        await session.enable(feature)
    if Feature.METADATA in session.features - before:
        await watch_annotations(session)
    words = "".join(f" {feature.value}" for feature in Feature if feature in session.features - before)
    await session.say(f"* ENABLED{words}\r\n".encode("ascii"))
    return ok("ENABLE completed")
