"""What doors told of DMARC is read, whichever version told it."""

from mta_queue.adapters.report_store import _published
from senderauth.reports import dmarc

TOLD = {"domain": "y.test", "policy": "reject", "subdomain_policy": "", "dkim_alignment": "r", "percent": 40}


def test_what_older_and_newer_doors_tell_is_read() -> None:
    assert _published(TOLD) == dmarc.Published("y.test", "reject", percent=40)
    newer = TOLD | {"nonexistent_policy": "none", "testing": "y", "of_the_next_version": ["x"]}
    assert _published(newer) == dmarc.Published(
        "y.test", "reject", percent=40, nonexistent_policy="none", testing="y"
    )
