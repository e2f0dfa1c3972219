"""The scanners that the settings name."""

from collections.abc import Sequence

from servicekit.settings import read_secret

from mda.adapters.clamd import Clamd
from mda.adapters.icap import Icap
from mda.adapters.rspamd import Rspamd
from mda.ports import Learner, Scanner
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
    if settings.icap_url:
        scanners.append(
            Icap(settings.icap_url, scan_seconds=settings.scan_seconds, scan_octets=settings.scan_octets)
        )
    if settings.rspamd_url:
        scanners.append(
            Rspamd(
                settings.rspamd_url,
                spam_score=settings.spam_score,
                scan_seconds=settings.scan_seconds,
                scan_octets=settings.scan_octets,
                learn=settings.rspamd_learn,
                learn_password=""
                if settings.rspamd_password_file is None
                else read_secret(settings.rspamd_password_file),
            )
        )
    return scanners


def learner_of(scanners: Sequence[Scanner], settings: Settings) -> Learner | None:
    """Who learns what users take for spam, where somebody does."""
    if not settings.rspamd_learn:
        return None
    return next((each for each in scanners if isinstance(each, Rspamd)), None)
