"""What is looked at as mail that came back: what strangers bring, and nothing that was made here."""

from dataclasses import replace

import pytest
from mda.core.returned import came_back
from spool import Source

from tests.support.mda_world import letter_of

REPORT = (
    b'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'
    b"--b\r\n\r\nit failed\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n"
    b"Reporting-MTA: dns; x\r\n\r\nFinal-Recipient: rfc822; a@b.test\r\nAction: failed\r\nStatus: 5.1.1\r\n--b--\r\n"
)


@pytest.mark.parametrize("source", list(Source))
def test_only_what_comes_from_outside_says_what_became_of_our_mail(source: Source) -> None:
    """A user who submits a report, or a script that sends one, must not have addresses suppressed for a tenant."""
    letter = letter_of(REPORT)
    letter = replace(letter, envelope=replace(letter.envelope, source=source))
    assert came_back(letter) is (source is Source.MX)
