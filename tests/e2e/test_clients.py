"""More programs that people read and send mail with."""

import poplib
import smtplib
import ssl
import subprocess
from pathlib import Path

from tests.e2e.conftest import needs
from tests.e2e.letters import plain
from tests.e2e.test_four_scenarios import wait_for_subject
from tests.support.platform import Platform


@needs("fetchmail")
def test_fetchmail_fetches_over_tls_and_deletes(platform: Platform, tmp_path: Path) -> None:
    reader = platform.create_account("fetcher")
    letters = [plain(f"fetchmail {number}", "x@peer.invalid", reader.address) for number in range(5)]
    with smtplib.SMTP("127.0.0.1", platform.ports.smtp) as session:
        for letter in letters:
            session.sendmail("x@peer.invalid", [reader.address], letter.content)
    wait_for_subject(platform, reader.address, reader.password, "fetchmail 4")
    box = tmp_path / "box"
    rc = tmp_path / "fetchmailrc"
    rc.write_text(
        f'poll 127.0.0.1 protocol POP3 port {platform.ports.pop3s} user "{reader.address}" '
        f'password "{reader.password}" options ssl no sslcertck no keep mda "cat >> {box}"\n'
    )
    rc.chmod(0o600)
    done = subprocess.run(
        [
            *("fetchmail", "-f", str(rc), "--nosyslog", "--idfile", str(tmp_path / "ids")),
            *("--pidfile", str(tmp_path / "pid")),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "LOGNAME": "fetcher"},
    )
    assert done.returncode == 0, done.stderr + done.stdout
    fetched = box.read_bytes()
    for letter in letters:
        assert fetched.count(b"Subject: " + letter.name.encode() + b"\n") == 1
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    maildrop = poplib.POP3_SSL("127.0.0.1", platform.ports.pop3s, context=context)
    maildrop.user(reader.address)
    maildrop.pass_(reader.password)
    assert maildrop.stat() == (0, 0)
    maildrop.quit()


@needs("mutt")
def test_mutt_submits_an_attachment_and_keeps_a_copy_by_imap(platform: Platform, tmp_path: Path) -> None:
    sender, reader = platform.create_account("mutt"), platform.account("bob")
    attachment = tmp_path / "table.bin"
    attachment.write_bytes(bytes(range(256)) * 40)
    rc = tmp_path / "muttrc"
    rc.write_text(
        f'set from = "{sender.address}"\nset realname = "Mutt"\nset use_envelope_from = yes\n'
        f'set smtp_url = "smtp://{sender.address}@127.0.0.1:{platform.ports.submission}/"\n'
        f'set smtp_pass = "{sender.password}"\nset ssl_force_tls = yes\n'
        f'set certificate_file = "{platform.layout.tls}/certificate.pem"\nset ssl_verify_host = no\n'
        f'set imap_user = "{sender.address}"\nset imap_pass = "{sender.password}"\n'
        f'set folder = "imap://127.0.0.1:{platform.ports.imap}/"\nset record = "+INBOX"\nset copy = yes\n'
        f"set tmpdir = {tmp_path}\n"
    )
    done = subprocess.run(
        ["mutt", "-n", "-F", str(rc), "-s", "by mutt", "-a", str(attachment), "--", reader.address],
        input="see the table\n",
        capture_output=True,
        text=True,
        timeout=60,
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "TERM": "dumb"},
    )
    assert done.returncode == 0, done.stderr + done.stdout
    arrived = wait_for_subject(platform, reader.address, reader.password, "by mutt")
    kept = wait_for_subject(platform, sender.address, sender.password, "by mutt")
    assert b'filename="table.bin"' in arrived
    # The copy that mutt appended and the letter that travelled have the same parts.
    assert arrived.partition(b"\r\n\r\n")[2] == kept.partition(b"\r\n\r\n")[2]
