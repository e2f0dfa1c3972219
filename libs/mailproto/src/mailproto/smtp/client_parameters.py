"""Parameters of MAIL and RCPT that pass the sender's wishes on (RFC 3461 §5.2.1): as they came, none added."""

from mailproto.smtp.dsn_request import (
    MessageRequest,
    RecipientRequest,
    ascii_original_recipient,
    notify_words,
)
from mailproto.smtp.reply import Charset


def dsn_of_mail(request: MessageRequest) -> str:
    """With a space before each."""
    words = ""
    if request.ret is not None:
        words += f" RET={request.ret.value}"
    if request.envelope_id:
        words += f" ENVID={request.envelope_id}"
    return words


def dsn_of_rcpt(request: RecipientRequest, charset: Charset) -> str:
    """With a space before each; an original recipient outside ASCII in the form that `charset` allows."""
    words = ""
    if request.notify is not None:
        words += f" NOTIFY={notify_words(request.notify)}"
    if request.original_recipient:
        value = request.original_recipient
        words += f" ORCPT={ascii_original_recipient(value) if charset is Charset.ASCII else value}"
    return words
