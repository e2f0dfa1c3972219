"""Letters that come in by SMTP and are taken away by POP3 while the clients work: the rest of the road is in use too."""

import poplib
import smtplib
import time

from tests.e2e.stress.letter import letter, number_of
from tests.support.platform import Account, Platform

ARRIVAL_SECONDS = 60.0


def send_and_take(platform: Platform, account: Account, first: int, many: int) -> None:
    """`many` letters from number `first` on; each arrives once and as it was."""
    numbers = set(range(first, first + many))
    with smtplib.SMTP("127.0.0.1", platform.ports.smtp) as session:
        for number in numbers:
            content = letter(number)
            options = ["BODY=8BITMIME"]
            session.sendmail("soak@peer.invalid", [account.address], _whole(content), options)
    deadline = time.monotonic() + ARRIVAL_SECONDS
    while numbers:
        assert time.monotonic() < deadline, f"not arrived: {sorted(numbers)}"
        maildrop = poplib.POP3("127.0.0.1", platform.ports.pop3)
        maildrop.user(account.address)
        maildrop.pass_(account.password)
        for place in range(1, maildrop.stat()[0] + 1):
            octets = b"\r\n".join(maildrop.retr(place)[1]) + b"\r\n"
            numbers.remove(_number_behind_trace(octets))
            maildrop.dele(place)
        maildrop.quit()


def _whole(content: bytes) -> bytes:
    return content if content.endswith(b"\r\n") else content + b"\r\n"


def _number_behind_trace(octets: bytes) -> int:
    start = octets.index(b"From: Client ")
    try:
        return number_of(octets[start:])
    except ValueError:
        # SMTP has put the last line end there.
        return number_of(octets[start:-2])
