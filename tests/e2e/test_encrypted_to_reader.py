"""A user uploads a public key: what comes then is stored encrypted, and the rest of the platform works on."""

import email
import imaplib
import smtplib

from pysequoia import Tsk, decrypt

from tests.e2e.letters import plain
from tests.e2e.test_sieve import mailbox, send, sieve
from tests.support.mime import parts_of, text_of
from tests.support.platform import Account, Platform
from tests.support.reader_keys import new_openpgp


def encrypted_part(content: bytes) -> bytes:
    message = email.message_from_bytes(content)
    assert message.get_content_type() == "multipart/encrypted"
    return text_of(parts_of(message)[1]).encode()


def searched(platform: Platform, account: Account, folder: str, *criteria: str) -> list[bytes]:
    with imaplib.IMAP4("127.0.0.1", platform.ports.imap) as session:
        session.login(account.address, account.password)
        session.select(folder, readonly=True)
        return session.search(None, *criteria)[1]


def test_an_account_with_a_key(platform: Platform) -> None:
    reader, other = platform.create_account("sealed"), platform.create_account("unsealed")
    public, private = new_openpgp()
    platform.choose(f"accounts/{reader.address}/settings", encryption_key=public)
    # Scripts read it first.
    with sieve(platform, reader) as client:
        client.run(
            'require ["fileinto", "body", "mailbox"];\r\n'
            'if body :contains "codeword" { fileinto :create "Found"; }\r\n'
        )
    letter = plain("for both", "eve@peer.invalid", reader.address, b"the codeword is stork\r\n")
    with smtplib.SMTP("127.0.0.1", platform.ports.smtp) as session:
        session.sendmail("eve@peer.invalid", [reader.address, other.address], letter.content)
    [(_, in_clear)] = mailbox(platform, other, "INBOX", 1)
    assert b"stork" in in_clear
    [(_, stored)] = mailbox(platform, reader, "Found", 1)
    assert b"stork" not in stored
    assert email.message_from_bytes(stored)["Subject"] == email.message_from_bytes(letter.content)["Subject"]
    opened = decrypt(decryptor=Tsk.from_bytes(private).decryptor(), bytes=encrypted_part(stored)).bytes
    assert opened == b"\r\nthe codeword is stork\r\n"
    assert searched(platform, reader, "Found", "SUBJECT", '"for both"') == [b"1"]
    assert searched(platform, reader, "Found", "BODY", '"stork"') == [b""]
    # Without the key it comes as it is again.
    platform.choose(f"accounts/{reader.address}/settings", encryption_key="")
    send(platform, "eve@peer.invalid", reader.address, "in clear", b"no secret\r\n")
    [(_, content)] = mailbox(platform, reader, "INBOX", 1)
    assert b"no secret" in content
