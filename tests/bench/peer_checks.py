"""Checks of who is speaking, for both: a domain that signs and publishes, and a peer of Postfix's that looks.

What our door does before 250 (SPF, DKIM, ARC, DMARC) Postfix leaves to others. Here it is rspamd over the milter protocol,
which does them all in one process, with everything else of it switched off: the thriftiest way that we know.
"""

from pathlib import Path

from senderauth.dkim import Algorithm, generate_pem, signing_key

from tests.bench.peer_filter import PeerFilter
from tests.support.dnsserver import DnsServer

DOMAIN = "peer.invalid"
SELECTOR = "bench"
CHECKS = ("spf", "dkim", "arc", "dmarc")
MODULES = Path("/etc/rspamd/modules.d")


class Published:
    """The domain's records in a DNS server of its own, and its key in a file."""

    def __init__(self, folder: Path) -> None:
        pem = generate_pem(Algorithm.RSA_SHA256)
        self.key_file = folder / "dkim.pem"
        self.key_file.write_bytes(pem)
        self.dns = DnsServer()
        self.dns.txt(DOMAIN, "v=spf1 ip4:127.0.0.0/8 -all")
        self.dns.txt("bench.invalid", "v=spf1 ip4:127.0.0.0/8 -all")
        self.dns.txt(f"_dmarc.{DOMAIN}", "v=DMARC1; p=reject")
        self.dns.txt(f"{SELECTOR}._domainkey.{DOMAIN}", signing_key(DOMAIN, SELECTOR, pem).record)
        self.dns.ptr("127.0.0.1", "bench.invalid")
        self.dns.set("bench.invalid", "A", "127.0.0.1")

    @property
    def settings(self) -> dict[str, str]:
        """Of our door: this machine's mail is checked, too."""
        return {
            "SMTP_GATEWAY_SENDER_CHECKS_EXEMPT": "[]",
            "SMTP_GATEWAY_DNS_SERVERS": self.dns.address,
            "SMTP_GATEWAY_GREETING_SECONDS": "0",
        }


class PeerChecks(PeerFilter):
    """One rspamd that checks who is speaking and nothing else."""

    def __init__(self, root: Path, published: Published) -> None:
        super().__init__(root)
        self._dns_port = published.dns.port

    @property
    def pid(self) -> int:
        """Of its main process."""
        assert self.process is not None
        return self.process.pid

    def configure(self, local: Path) -> None:
        super().configure(local)
        for file in MODULES.glob("*.conf"):
            (local / file.name).write_text("enabled = false;\n", encoding="utf-8")
        for name in CHECKS:
            (local / f"{name}.conf").write_text(
                "check_local = true;\ncheck_authed = true;\n", encoding="utf-8"
            )
        # What it found stands in the message, as with us.
        (local / "milter_headers.conf").write_text(
            'use = ["authentication-results"];\nskip_local = false;\nskip_authenticated = false;\n',
            encoding="utf-8",
        )
        groups = ", ".join(f'"{name}"' for name in CHECKS)
        (local / "settings.conf").write_text(
            f'only {{ ip = "0.0.0.0/0"; apply {{ groups_enabled = [{groups}]; }} }}\n', encoding="utf-8"
        )
        options = local / "options.inc"
        options.write_text(
            options.read_text(encoding="utf-8").replace(
                'dns { nameserver = ["127.0.0.1:9"]; timeout = 0.01; retransmits = 1; }',
                f'dns {{ nameserver = ["127.0.0.1:{self._dns_port}"]; timeout = 2.0; }}\nfilters = "spf,dkim";',
            ),
            encoding="utf-8",
        )
