"""Debian's slapd on loopback: ldap (StartTLS) and ldaps, with a certificate of its own and a handful of people."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import ldap3
import trustme

from tests.support.dnsserver import free_port

BASE = "dc=example,dc=test"
READER, READER_PASSWORD = f"cn=reader,{BASE}", "the reader's secret"
CONFIG = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {folder}/slapd.pid
TLSCACertificateFile {folder}/ca.pem
TLSCertificateFile {folder}/server.pem
TLSCertificateKeyFile {folder}/server.key
security simple_bind=128
disallow bind_anon
database mdb
suffix "{base}"
rootdn "cn=root,{base}"
rootpw none-at-all
directory {folder}/data
maxsize 10485760
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="{reader}" read by * none
"""


@dataclass
class Slapd:
    """A running one. `people` are local parts; each one's password is `pw-` and the name."""

    port: int
    tls_port: int
    ca: trustme.CA
    process: "subprocess.Popen[bytes]"

    @property
    def ca_pem(self) -> str:
        return self.ca.cert_pem.bytes().decode()

    def set_password(self, uid: str, password: str) -> None:
        """As whoever runs it does."""
        server = ldap3.Server("127.0.0.1", self.tls_port, use_ssl=True, get_info=ldap3.NONE)
        with ldap3.Connection(server, f"cn=root,{BASE}", "none-at-all", raise_exceptions=True) as connection:
            change = {"userPassword": [(ldap3.MODIFY_REPLACE, [password])]}
            connection.modify(f"uid={uid},{BASE}", change)


def _entries(domain: str, people: list[str]) -> str:
    text = f"dn: {BASE}\nobjectClass: domain\ndc: example\n\n"
    text += f"dn: {READER}\nobjectClass: person\ncn: reader\nsn: reader\nuserPassword: {READER_PASSWORD}\n\n"
    for name in people:
        # Two entries that share an address: whose password would it be?
        uid, _, address = name.partition("=")
        text += (
            f"dn: uid={uid},{BASE}\nobjectClass: inetOrgPerson\nuid: {uid}\ncn: {uid}\nsn: {uid}\n"
            f"mail: {address or uid}@{domain}\nuserPassword: pw-{uid}\n\n"
        )
    return text


@contextmanager
def running_slapd(folder: Path, domain: str, people: list[str]) -> Iterator[Slapd]:
    """As this user, in the foreground; ends with its block."""
    ca = trustme.CA()
    ca.cert_pem.write_to_path(folder / "ca.pem")
    server = ca.issue_cert("localhost")
    server.cert_chain_pems[0].write_to_path(folder / "server.pem")
    server.private_key_pem.write_to_path(folder / "server.key")
    (folder / "data").mkdir()
    config = folder / "slapd.conf"
    config.write_text(CONFIG.format(folder=folder, base=BASE, reader=READER))
    (folder / "people.ldif").write_text(_entries(domain, people))
    slapadd = shutil.which("slapadd", path="/usr/sbin:" + os.environ["PATH"]) or "slapadd"
    slapd = shutil.which("slapd", path="/usr/sbin:" + os.environ["PATH"]) or "slapd"
    subprocess.run(
        [slapadd, "-f", str(config), "-l", str(folder / "people.ldif")], check=True, capture_output=True
    )
    port, tls_port = free_port(), free_port()
    urls = f"ldap://127.0.0.1:{port} ldaps://127.0.0.1:{tls_port}"
    with (folder / "slapd.log").open("wb") as log:
        process = subprocess.Popen([slapd, "-f", str(config), "-h", urls, "-d", "0"], stdout=log, stderr=log)
    try:
        _wait(port, process)
        yield Slapd(port, tls_port, ca, process)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)


def _wait(port: int, process: "subprocess.Popen[bytes]") -> None:
    for _ in range(200):
        try:
            connection = ldap3.Connection(ldap3.Server("127.0.0.1", port, get_info=ldap3.NONE))
            connection.open()
            connection.unbind()
            return
        except ldap3.core.exceptions.LDAPException:
            if process.poll() is not None:
                raise
            time.sleep(0.05)
    raise AssertionError("slapd did not come up")
