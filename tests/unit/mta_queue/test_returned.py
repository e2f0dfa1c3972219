"""Notices and feedback reports of other systems, in the forms in which they come; and what is none."""

from dataclasses import replace

import pytest
from mailmsg.facts import examine
from mda.core.returned import came_back
from mta_queue.core.returned import Copy, Kind, read
from spool import Source, SpooledLetter

from tests.support.queued import letter

ID = "01J9Z3Y6T8Q4M7K2N5P1R0S3V6"
OTHER = "01J9Z3Y6T8Q4M7K2N5P1R0S3V7"


def report(kind: str, second: str, returned: str = "", returned_type: str = "message/rfc822") -> bytes:
    parts = [
        "Content-Type: text/plain\n\nYour message ... id 01J9Z3Y6T8Q4M7K2N5P1R0S3ZZ ...",
        f"Content-Type: message/{kind}\n\n{second}",
    ]
    if returned:
        parts.append(f"Content-Type: {returned_type}\n\n{returned}")
    text = (
        "From: MAILER-DAEMON@other.test\nTo: sender@ours.test\nSubject: failed\nMIME-Version: 1.0\n"
        f'Content-Type: multipart/report; report-type={kind}; boundary="b"\n\n'
        + "".join(f"--b\n{part}\n" for part in parts)
        + "--b--\n"
    )
    return text.replace("\n", "\r\n").encode()


STATUS = f"""Reporting-MTA: dns; mx.other.test
Original-Envelope-Id: {ID}
Arrival-Date: Sat, 21 Nov 2026 10:00:00 +0000

Final-Recipient: rfc822; mailbox@inside.other.test
Original-Recipient: rfc822;gone@other.test
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 User
 unknown

Final-Recipient: rfc822; slow@other.test
Action: delayed
Status: 4.2.2
"""
ORIGINAL = f"""Received: from mx.ours.test by mx.other.test with ESMTP id 4ABCDEF; Sat, 21 Nov 2026 10:00:00 +0000
Received: from client ([192.0.2.1])
\tby mail.ours.test with ESMTPSA id {OTHER};
\tSat, 21 Nov 2026 09:59:59 +0000
From: sender@ours.test
Subject: hello

body id 01J9Z3Y6T8Q4M7K2N5P1R0S3YY
"""


def test_a_notice_names_the_message_the_address_and_the_reply() -> None:
    found = read(report("delivery-status", STATUS, ORIGINAL))
    assert found is not None
    assert found.kind is Kind.BOUNCE
    # What a human is told, and what is in the body that came back, is no name.
    assert found.queue_ids == (ID, OTHER)
    [fate] = found.fates
    assert (fate.address, fate.status) == ("gone@other.test", "5.1.1")
    assert fate.diagnostic == "550 5.1.1 User unknown"
    assert found.reporter == "dns; mx.other.test"


@pytest.mark.parametrize("returned_type", ["message/rfc822", "text/rfc822-headers", "message/global-headers"])
def test_without_an_envelope_id_our_received_field_names_it(returned_type: str) -> None:
    status = STATUS.replace(f"Original-Envelope-Id: {ID}\n", "").replace(
        "Original-Recipient: rfc822;gone@other.test\n", ""
    )
    found = read(report("delivery-status", status, ORIGINAL, returned_type))
    assert found is not None
    assert found.queue_ids == (OTHER,)
    assert found.fates[0].address == "mailbox@inside.other.test"


COMPLAINT = f"""Feedback-Type: abuse
User-Agent: SomeFeedback/1.0
Version: 1
Original-Envelope-Id: {ID}
Original-Rcpt-To: <annoyed@other.test>
"""


def test_a_complaint_names_who_complains_or_nobody() -> None:
    found = read(report("feedback-report", COMPLAINT, ORIGINAL))
    assert found is not None
    assert found.kind is Kind.COMPLAINT
    assert [each.address for each in found.fates] == ["annoyed@other.test"]
    assert found.reporter == "SomeFeedback/1.0"
    redacted = COMPLAINT.replace("Original-Rcpt-To: <annoyed@other.test>\n", "")
    found = read(report("feedback-report", redacted, ORIGINAL))
    assert found is not None
    assert found.fates == ()


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"Subject: hello\r\n\r\nid " + ID.encode(),
        report("feedback-report", COMPLAINT.replace("abuse", "not-spam"), ORIGINAL),
        report("delivery-status", STATUS.replace("Action: failed", "Action: delivered"), ORIGINAL),
        report("delivery-status", STATUS.replace(ID, ID[:-1])),
        report("delivery-status", STATUS.replace(ID, ID + "X")),
        report("delivery-status", ""),
        report(
            "delivery-status",
            STATUS.replace("gone@other.test", "a b").replace("mailbox@inside.other.test", "@"),
        ),
        report("disposition-notification", f"Original-Message-ID: <x>\nOriginal-Envelope-Id: {ID}\n"),
        b"Content-Type: multipart/report; boundary=b\r\n\r\n" + b"--b\r\n" * 5000,
    ],
)
def test_what_says_nothing_about_mail_of_ours(message: bytes) -> None:
    assert read(message) is None


def test_a_report_in_a_message_that_came_back_is_not_looked_at() -> None:
    inner = report("delivery-status", STATUS).decode().replace("\r\n", "\n")
    assert read(report("delivery-status", STATUS.replace("failed", "delayed"), inner)) is None


def test_a_huge_notice_is_bounded() -> None:
    block = "\nFinal-Recipient: rfc822; a{}@other.test\nAction: failed\nStatus: 5.1.1\n"
    found = read(report("delivery-status", STATUS + "".join(block.format(each) for each in range(3000))))
    assert found is not None
    assert len(found.fates) <= 200


def came(message: bytes, source: Source = Source.MX) -> bool:
    spooled, _ = letter("a@ours.test")
    envelope = replace(spooled.envelope, source=source)
    return came_back(SpooledLetter(envelope, spooled.body, examine(message)))


def test_the_mda_tells_of_reports_from_outside_only() -> None:
    assert came(report("delivery-status", STATUS))
    assert came(report("feedback-report", COMPLAINT))
    assert not came(report("disposition-notification", "Original-Message-ID: <x>\n"))
    assert not came(report("delivery-status", STATUS), Source.DSN)
    assert not came(b"Subject: report delivery-status\r\n\r\nhello")


COPY = Copy(ID, "abcd")
PLAIN = b"From: <postmaster@far.test>\r\nSubject: Undeliverable\r\n\r\nSorry: 550 5.1.1 no such user\r\n"


def test_what_came_to_a_copys_reverse_path_is_about_that_copy() -> None:
    """Without ENVID, without Received, of a report that names another address, and of none at all."""
    strange = STATUS.replace(f"Original-Envelope-Id: {ID}\n", "").replace("gone@other.test", "x@nowhere.test")
    for message in (report("delivery-status", strange), PLAIN):
        found = read(message, COPY)
        assert found is not None
        [fate] = found.fates
        assert (found.kind, found.queue_ids, fate.tag, fate.status) == (Kind.BOUNCE, (ID,), "abcd", "5.1.1")
    assert read(report("delivery-status", strange)) is None
    assert read(PLAIN) is None


def test_a_delay_and_an_answer_of_a_machine_are_no_bounces_of_a_copy() -> None:
    delayed = STATUS.replace("failed", "delayed")
    assert read(report("delivery-status", delayed), COPY) is None
    assert read(b"Auto-Submitted: auto-replied\r\n" + PLAIN, COPY) is None
    assert read(b"Subject: away\r\n\r\nI am back on 5.11.\r\n", COPY) is None


def test_the_mda_tells_of_what_comes_to_a_copys_reverse_path() -> None:
    spooled, _ = letter("sender@ours.test", reverse_path="")
    plain = replace(spooled, facts=examine(PLAIN))
    assert not came_back(plain)
    [recipient] = plain.envelope.recipients
    to_copy = replace(recipient, original_address=f"sender+v-{ID.lower()}abcd@ours.test")
    assert came_back(replace(plain, envelope=replace(plain.envelope, recipients=(to_copy,))))
    answered = replace(plain.envelope, recipients=(to_copy,), reverse_path="a@far.test")
    assert not came_back(replace(plain, envelope=answered))
