"""What replies of large systems, and of common software, mean. Each is in the form in which such systems speak."""

import pytest
from mailproto.smtp.reply import Reply
from mta_queue.core.bounces import HARD, Kind, classify, classify_text, is_hard

REPLIES = """
bad-mailbox | 550 5.1.1 The email account that you tried to reach does not exist. Please try double-checking the recipient's email address for typos or unnecessary spaces.
bad-mailbox | 550 5.1.1 <nobody@example.com>: Recipient address rejected: User unknown in virtual mailbox table
bad-mailbox | 550 5.1.1 <a@example.com>: Recipient address rejected: User unknown in local recipient table
bad-mailbox | 550 5.5.0 Requested action not taken: mailbox unavailable (S2017062302).
bad-mailbox | 550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup
bad-mailbox | 554 delivery error: dd This user doesn't have a yahoo.com account (nobody@yahoo.com) [0]
bad-mailbox | 552 1 Requested mail action aborted, mailbox not found
bad-mailbox | 550 5.1.1 unknown or illegal alias: nobody@example.com
bad-mailbox | 550 No such user here
bad-mailbox | 550 Unknown user
bad-mailbox | 550-Invalid recipient nobody@example.net (Mode: normal)
bad-mailbox | 550 5.1.1 User doesn't exist: nobody@example.com
bad-mailbox | 511 sorry, no mailbox here by that name (#5.1.1 - chkuser)
bad-mailbox | 550 5.1.6 recipient no longer on server: nobody@example.com
bad-mailbox | 553 5.3.0 <a@example.com>... Addressee unknown, relay=[192.0.2.1]
bad-mailbox | 550 Requested action not taken: mailbox unavailable
bad-mailbox | 550 5.4.1 Recipient address rejected: Access denied. [AM0EUR02FT021.eop-EUR02.prod.protection.outlook.com]
bad-mailbox | 550 5.1.1 <a@icloud.com>: user does not exist
bad-mailbox | 550 #5.1.0 Address rejected.
bad-mailbox | 554 5.7.1 <a@example.com>: Recipient address rejected: user a@example.com does not exist
bad-mailbox | 550 <a@example.fr> Utilisateur inconnu
bad-mailbox | 550 Benutzer existiert nicht
bad-mailbox | 550 account is unavailable
bad-mailbox | 550 5.2.0 mailbox unknown
inactive-mailbox | 550 5.2.1 The email account that you tried to reach is disabled.
inactive-mailbox | 550 5.2.1 The email account that you tried to reach is inactive. Learn more at https://support.example.com/mail/
inactive-mailbox | 554 30 Sorry, your message to a@example.com cannot be delivered. This mailbox is disabled (554.30).
inactive-mailbox | 550 5.1.1 User suspended
inactive-mailbox | 550 Mailbox is inactive
inactive-mailbox | 550 The account has been suspended for inactivity
inactive-mailbox | 550 5.1.1 This address is no longer in use
inactive-mailbox | 553 sorry, that account was closed
bad-domain | 550 5.1.2 nowhere.test has neither MX nor address
bad-domain | 556 5.1.10 nomail.test says that it takes no mail
bad-domain | 550 5.4.4 Invalid domain
bad-domain | 550 Host or domain name not found
bad-domain | 550 Unrouteable address
bad-domain | 550 5.1.1 No such domain at this location
bad-domain | 554 5.4.4 All relevant MX records point to non-existent hosts
mailbox-full | 452 4.2.2 The email account that you tried to reach is over quota. Please direct the recipient to free up space.
mailbox-full | 552 5.2.2 The email account that you tried to reach is over quota and inactive.
mailbox-full | 452 4.2.2 The recipient's inbox is out of storage space.
mailbox-full | 552 5.2.2 Mailbox size limit exceeded
mailbox-full | 554 5.2.2 mailbox full; STOREDRV.Deliver.Exception:QuotaExceededException
mailbox-full | 452 4.1.1 <a@example.com> mailbox full
mailbox-full | 552 Quota exceeded (mailbox for user is full)
mailbox-full | 422 The recipient's mailbox is over its storage limit, mailbox is full
mailbox-full | 552 5.2.2 <a@icloud.com>: user is over quota
mailbox-full | 452 4.3.1 Insufficient system storage
mailbox-full | 550 Postfach voll
rate-limit | 421 4.7.28 Our system has detected an unusual rate of unsolicited mail originating from your IP address. To protect our users from spam, mail sent from your IP address has been temporarily rate limited.
rate-limit | 450 4.2.1 The user you are trying to contact is receiving mail at a rate that prevents additional messages from being delivered.
rate-limit | 421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred due to unexpected volume or user complaints - 4.16.55.1
rate-limit | 421 4.7.0 [TS01] Messages from 192.0.2.1 temporarily deferred due to user complaints
rate-limit | 421 RP-001 (SNT004-MC2F38) Unfortunately, some messages from 192.0.2.1 weren't sent.
rate-limit | 451 4.7.650 The mail server [192.0.2.1] has been temporarily rate limited due to IP reputation.
rate-limit | 452 4.5.3 Too many recipients
rate-limit | 421 Too many concurrent SMTP connections; please try again later.
rate-limit | 421 4.7.0 Too many connections from your host
rate-limit | 550 5.4.5 Daily sending quota exceeded
rate-limit | 450 4.7.1 Error: too much mail from 192.0.2.1
rate-limit | 421 4.2.1 You are sending mails too fast
rate-limit | 451 4.7.500 Server busy. Please try again later from [192.0.2.1]. (AS843)
greylisted | 451 4.7.1 Greylisting in action, please come back later
greylisted | 450 4.2.0 <a@example.com>: Recipient address rejected: Greylisted, see http://postgrey.example.org/help
greylisted | 451 4.7.1 Please try again in 300 seconds
greylisted | 450 4.7.1 Graylisted
spam-block | 550 5.7.1 Service unavailable, Client host [192.0.2.1] blocked using Spamhaus. To request removal from this list see https://www.spamhaus.org/query/ip/192.0.2.1 (S3130).
spam-block | 550 5.7.1 Unfortunately, messages from [192.0.2.1] weren't sent. Please contact your Internet service provider since part of their network is on our block list (S3140).
spam-block | 554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using bl.spamcop.net
spam-block | 550 5.7.606 Access denied, banned sending IP [192.0.2.1].
spam-block | 554 IP=192.0.2.1 - A problem occurred. (Ask your postmaster for help or to contact tosa@rx.example.de to clarify.) (BL0000)
spam-block | 550-Requested action not taken: mailbox unavailable 550 For explanation visit https://postmaster.example.com/error-messages?ip=192.0.2.1&c=bip bad sender ip
spam-block | 554 5.7.1 [CS01] Messages from 192.0.2.1 permanently rejected
spam-block | 554 Your access to this mail system has been rejected due to the sending MTA's poor reputation.
spam-block | 550 5.7.1 Mail from IP 192.0.2.1 was rejected due to listing in Barracuda BRBL
spam-block | 554 5.7.1 The server sending your message is on a blacklist
spam-block | 421 4.7.1 Connection refused: your IP is blocked, see https://example.net/unblock
spam-block | 554 HVU:B1 https://postmaster-blog.example.com/2013/12/05/554-hvub1/
spam-content | 550 5.7.1 Our system has detected that this message is likely unsolicited mail. To reduce the amount of spam sent, this message has been blocked.
spam-content | 554 5.7.1 Message rejected as spam by content filtering
spam-content | 550 High probability of spam
spam-content | 554 5.7.9 Message not accepted for policy reasons: message content looks suspicious
spam-content | 571 Message Refused: contains a URL on SURBL
spam-content | 552 5.2.0 Message blocked due to spam content in the message
virus | 552 5.7.0 This message was blocked because its content presents a potential security issue. Please visit our guidelines on security.
virus | 554 5.7.1 Message contains a virus (Eicar-Test-Signature)
virus | 550 5.7.1 Rejected: malware found
authentication | 550 5.7.26 Unauthenticated email from example.com is not accepted due to domain's DMARC policy.
authentication | 550 5.7.26 This mail has been blocked because the sender is unauthenticated. The sender must authenticate with either SPF or DKIM.
authentication | 550 5.7.1 Email rejected per DMARC policy for example.com
authentication | 550 5.7.23 The message was rejected because of Sender Policy Framework violation
authentication | 554 5.7.5 Permanent error evaluating DMARC policy
authentication | 550 5.7.25 The IP address sending this message does not have a PTR record setup
authentication | 550 5.7.509 Access denied, sending domain example.com does not pass DMARC verification
authentication | 554 4.7.1 Client host rejected: cannot find your reverse DNS
relaying-denied | 554 5.7.1 <a@example.com>: Relay access denied
relaying-denied | 550 5.7.64 TenantAttribution; Relay Access Denied ATTR36
relaying-denied | 550 relay not permitted
relaying-denied | 530 5.7.0 Authentication required
too-big | 552 5.3.4 Message size exceeds fixed limit
too-big | 552 5.3.4 Your message exceeded the maximum message size limits
too-big | 554 5.3.4 Message too big for system
policy | 550 5.7.1 Message rejected due to local policy
policy | 550 5.7.1 You are not allowed to send to this group
policy | 554 Denied (Mode: normal)
policy | 550 5.7.133 RESOLVER.RST.SenderNotAuthenticatedForGroup; sender not permitted
policy | 554 5.7.0 Transaction failed
unreachable | 451 4.4.2 no connection to 192.0.2.1: Connection refused
unreachable | 451 4.4.1 not tried before 10:00:00 UTC: no connection to 192.0.2.1 within 30 s
unreachable | 451 4.4.2 the next system closed the connection
unreachable | 451 4.4.2 the TLS handshake failed: certificate verify failed
their-fault | 451 4.3.0 Temporary system problem. Try again later.
their-fault | 451 Internal server error
their-fault | 421 4.3.2 The server is shutting down
their-fault | 554 5.4.6 Too many hops, possible mail loop
their-fault | 451 Requested action aborted: local error in processing
protocol | 501 5.5.4 Invalid argument
protocol | 503 Bad sequence of commands
protocol | 500 Line too long
other | 550 No
other | 554 Go away
"""
CASES = [
    (Kind(kind.strip()), text.strip())
    for kind, _, text in (line.partition("|") for line in REPLIES.strip().splitlines())
]


@pytest.mark.parametrize(("kind", "text"), CASES, ids=[text[:60] for _, text in CASES])
def test_what_a_reply_means(kind: Kind, text: str) -> None:
    assert classify_text(text) is kind


def test_there_are_enough_of_them() -> None:
    assert len(CASES) >= 100
    assert {kind for kind, _ in CASES} == set(Kind)


def test_only_a_final_word_about_the_mailbox_is_hard() -> None:
    unknown = "No such user here"
    assert is_hard(Reply.of(550, "5.1.1", unknown))
    assert not is_hard(Reply.of(450, "4.1.1", unknown))
    assert not is_hard(Reply.of(552, "5.2.2", "Mailbox full"))
    assert not is_hard(Reply.of(550, "5.7.1", "Message rejected due to local policy"))
    assert Kind.MAILBOX_FULL not in HARD


def test_a_long_reply_is_read_in_linear_time() -> None:
    assert classify(Reply.of(550, "", "mailbox " + "a " * 2000)) is Kind.OTHER
