"""The scanners that the settings name."""

from mda.adapters.clamd import Clamd
from mda.adapters.rspamd import Rspamd
from mda.ports import Scanner
from mda.settings import Settings


def scanners_of(settings: Settings) -> list[Scanner]:
    """None, one or several. Raises ValueError on an address that is none."""
    scanners: list[Scanner] = []
    if settings.clamd:
        host, _, port = settings.clamd.rpartition(":")
        if not host or not port.isdecimal():
            raise ValueError(f"the address of clamd must be host:port, not {settings.clamd!r}")
        scanners.append(
            Clamd(host, int(port), scan_seconds=settings.scan_seconds, scan_octets=settings.scan_octets)
        )
    if settings.rspamd_url:
        scanners.append(
            Rspamd(
                settings.rspamd_url,
                spam_score=settings.spam_score,
                scan_seconds=settings.scan_seconds,
                scan_octets=settings.scan_octets,
            )
        )
    return scanners
