"""A site's own MTA hands over its mail by LMTP."""

import smtplib

from tests.e2e.letters import plain
from tests.e2e.test_four_scenarios import wait_for_subject
from tests.support.platform import Platform


def test_mail_by_lmtp_reaches_its_mailboxes(platform: Platform) -> None:
    alice, bob = platform.account("alice"), platform.account("bob")
    letter = plain("by lmtp", "eve@peer.invalid", bob.address)
    with smtplib.LMTP("127.0.0.1", platform.ports.lmtp) as session:
        refused = session.sendmail(
            "eve@peer.invalid", [alice.address, f"nobody@{platform.domain}"], letter.content
        )
        assert [code for code, _ in refused.values()] == [550]
        session.sendmail("eve@peer.invalid", [bob.address], letter.content)
    for user in (alice, bob):
        assert wait_for_subject(platform, user.address, user.password, "by lmtp").endswith(letter.content)
