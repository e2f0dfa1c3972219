"""The scanners that run beside the platform, as far as they were asked for with --with."""

from collections.abc import Iterable
from pathlib import Path

from posthouse.errors import Problem
from posthouse.stack.clamav import Clamav
from posthouse.stack.layout import Layout
from posthouse.stack.part import Part
from posthouse.stack.ports import Ports
from posthouse.stack.rspamd import Rspamd

NAMES = ("clamav", "rspamd")


def parse_scanners(words: Iterable[str]) -> frozenset[str]:
    """What was said with --with. Raises Problem."""
    for word in words:
        if word not in NAMES:
            raise Problem(f"--with knows {' and '.join(NAMES)}, not {word!r}.")
    return frozenset(words)


class Scanners:
    """None, one or both. Raises Problem where the package of one is missing."""

    def __init__(
        self, layout: Layout, ports: Ports, names: frozenset[str], overrides: dict[str, str]
    ) -> None:
        network = overrides.get("RSPAMD_NETWORK", "").lower() == "true"
        domains = overrides.get("RSPAMD_TOP_LEVEL_DOMAINS_FILE")
        self._clamav = Clamav(layout, ports) if "clamav" in names else None
        self._rspamd = (
            Rspamd(layout, ports, network=network, top_level_domains=Path(domains) if domains else None)
            if "rspamd" in names
            else None
        )
        self._names = sorted(names)

    @property
    def settings(self) -> dict[str, str]:
        """What the mda is told."""
        settings = {}
        if self._clamav is not None:
            settings["MDA_CLAMD"] = self._clamav.address
        if self._rspamd is not None:
            settings["MDA_RSPAMD_URL"] = self._rspamd.url
            settings["MDA_RSPAMD_LEARN"] = self._rspamd.control
        return settings

    @property
    def shown(self) -> str:
        """For a list of what is being started."""
        return "".join(f", {name}" for name in self._names)

    def prepare(self) -> list[str]:
        """Write their configuration; sentences for whoever starts them."""
        said = []
        if self._clamav is not None:
            self._clamav.prepare()
            if not self._clamav.has_signatures:
                said.append(
                    "ClamAV has no signatures yet (freshclam fetches them): it finds the EICAR test file only"
                )
        if self._rspamd is not None:
            self._rspamd.prepare()
        return said

    def parts(self) -> list[Part]:
        """The daemons."""
        return [each.part() for each in (self._clamav, self._rspamd) if each is not None]
