"""What email.message read, as what a test takes it for; the library has one vague type for every payload."""

from email.message import Message


def parts_of(message: Message) -> list[Message]:
    """Of a multipart; of a message/rfc822 or the like: the one within."""
    payload = message.get_payload()
    assert isinstance(payload, list)
    parts = [each for each in payload if isinstance(each, Message)]
    assert len(parts) == len(payload)
    return parts


def text_of(message: Message) -> str:
    """As it is written in the message, its transfer encoding left on."""
    payload = message.get_payload()
    assert isinstance(payload, str)
    return payload


def octets_of(message: Message) -> bytes:
    """Without its transfer encoding."""
    payload = message.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload
