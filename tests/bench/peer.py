"""Postfix and Dovecot as they are meant to be compared with: on loopback, durable, no TLS, no filters.

Configuration, queue and mailboxes live in a folder of their own; /etc/postfix
and /etc/dovecot are not touched. Needs root and the Debian packages.
"""

import grp
import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

POSTFIX_PROGRAMS = Path("/usr/lib/postfix/sbin")

MAIN_CF = """\
compatibility_level = 3.6
queue_directory = {root}/postfix/spool
data_directory = {root}/postfix/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
maillog_file = {root}/postfix/log
maillog_file_prefixes = {root}
myhostname = peer.bench.test
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
alias_maps =
alias_database =
local_recipient_maps =
virtual_mailbox_domains = bench.test
virtual_mailbox_maps = static:all
virtual_transport = lmtp:inet:127.0.0.1:{lmtp}
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_peername_lookup = no
smtpd_client_connection_count_limit = 0
smtpd_tls_security_level = none
message_size_limit = 52428800
mailbox_size_limit = 0
disable_dns_lookups = yes
"""

MASTER_CF = """\
127.0.0.1:{smtp} inet n - n - 100 smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""

DOVECOT_CONF = """\
base_dir = {root}/dovecot/run
state_dir = {root}/dovecot/state
instance_name = bench
log_path = {root}/dovecot/log
listen = 127.0.0.1
protocols = imap lmtp pop3
ssl = yes
ssl_cert = <{tls}/certificate.pem
ssl_key = <{tls}/key.pem
disable_plaintext_auth = no
auth_mechanisms = plain
mail_location = {mail}
mail_fsync = optimized
first_valid_uid = 1
mail_max_userip_connections = 2000
passdb {{
  driver = passwd-file
  args = scheme=plain username_format=%u {root}/dovecot/users
}}
userdb {{
  driver = static
  args = uid={user} gid={user} home={root}/mail/%n
}}
namespace inbox {{
  inbox = yes
  separator = /
}}
service imap-login {{
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
  service_count = 0
}}
service pop3-login {{
  inet_listener pop3 {{
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = 0
  }}
  service_count = 0
}}
service lmtp {{
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {lmtp}
  }}
}}
"""


# How Dovecot keeps mailboxes. It syncs what it saves in both (mail_fsync, as it is when nobody sets it), not flags.
MAILDIR = "maildir:~/Maildir"
MDBOX = "mdbox:~/mdbox"


def missing() -> str:
    """Why the peer cannot run here; empty when it can."""
    if os.geteuid() != 0:
        return "Postfix and Dovecot can only be run by root"
    for program in ("postfix", "dovecot"):
        if shutil.which(program) is None and not Path(f"/usr/sbin/{program}").exists():
            return f"{program} is not installed"
    return ""


class Peer:
    """One Postfix and one Dovecot, started by us and stopped by us."""

    def __init__(self, root: Path, first_port: int, *, main_cf: str = "", mail: str = MAILDIR) -> None:
        """`main_cf`: lines to add to Postfix's; `mail`: where Dovecot keeps what."""
        self.root = root
        self._mail = mail
        self._main_cf = main_cf
        self.smtp_port, self.imap_port, self.lmtp_port = first_port, first_port + 1, first_port + 2
        self.imaps_port, self.pop3_port = first_port + 3, first_port + 4
        self._dovecot: subprocess.Popen[bytes] | None = None
        self._postfix: subprocess.Popen[bytes] | None = None

    def start(self, users: int, password: str, tls: Path) -> None:
        """Write the configuration and start both; `tls` holds certificate.pem and key.pem, used for IMAPS only.

        Raises RuntimeError when they do not answer.
        """
        mail_user = "nobody"
        account = pwd.getpwnam(mail_user)
        for folder in (
            "postfix/etc",
            "postfix/spool",
            "postfix/data",
            "dovecot/run",
            "dovecot/state",
            "mail",
        ):
            (self.root / folder).mkdir(parents=True, exist_ok=True)
        os.chown(self.root / "postfix/data", pwd.getpwnam("postfix").pw_uid, -1)
        os.chown(self.root / "mail", account.pw_uid, account.pw_gid)
        os.chmod(self.root, 0o755)
        values = {
            "root": self.root,
            "smtp": self.smtp_port,
            "imap": self.imap_port,
            "lmtp": self.lmtp_port,
            "imaps": self.imaps_port,
            "pop3": self.pop3_port,
            "tls": tls,
            "user": account.pw_uid,
            "mail": self._mail,
        }
        (self.root / "postfix/etc/main.cf").write_text(MAIN_CF.format(**values) + self._main_cf)
        (self.root / "postfix/etc/master.cf").write_text(MASTER_CF.format(**values))
        (self.root / "dovecot/dovecot.conf").write_text(
            DOVECOT_CONF.format(**values).replace(
                f"gid={account.pw_uid}", f"gid={grp.getgrgid(account.pw_gid).gr_gid}"
            )
        )
        passwords = self.root / "dovecot/users"
        passwords.write_text(
            "".join(f"u{n:03d}@bench.test:{{PLAIN}}{password}::::::\n" for n in range(users))
        )
        passwords.chmod(0o644)
        self._dovecot = subprocess.Popen(
            ["/usr/sbin/dovecot", "-F", "-c", str(self.root / "dovecot/dovecot.conf")],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        etc = str(self.root / "postfix/etc")
        subprocess.run(["/usr/sbin/postfix", "-c", etc, "check"], check=True, capture_output=True)
        # master in the foreground, so that it is our child and can be stopped by its id.
        self._postfix = subprocess.Popen(
            [str(POSTFIX_PROGRAMS / "master"), "-c", etc, "-d"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._wait()

    def _wait(self) -> None:
        for port in (self.smtp_port, self.imap_port, self.pop3_port):
            for _ in range(100):
                try:
                    with socket.create_connection(("127.0.0.1", port), 1) as probe:
                        if probe.recv(3):
                            break
                except OSError:
                    time.sleep(0.1)
            else:
                raise RuntimeError(f"the peer does not answer on port {port}; see {self.root}/*/log")

    @property
    def roots(self) -> list[int]:
        """The process ids whose trees are the peer."""
        return [process.pid for process in (self._dovecot, self._postfix) if process is not None]

    def stop(self) -> None:
        """End both."""
        for process in (self._postfix, self._dovecot):
            if process is not None and process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
