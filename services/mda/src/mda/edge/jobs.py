"""One message on its way through the filing loop."""

from dataclasses import dataclass

from mailstore import Delivery
from spool import BusLetter, SpooledLetter

from mda.core.findings import Finding
from mda.core.told import Refusal


@dataclass(frozen=True, slots=True)
class Arrived:
    """One message as it came."""

    item: BusLetter
    letter: SpooledLetter


@dataclass(frozen=True, slots=True)
class Job:
    """One message and the deliveries it asks for."""

    item: BusLetter
    letter: SpooledLetter
    deliveries: list[Delivery]
    findings: tuple[Finding, ...] = ()
    is_junk: bool = False
    # Their readers' keys cannot be used.
    unsealable: tuple[Delivery, ...] = ()
    # Their sender does not want them delivered any more.
    late: tuple[Delivery, ...] = ()
    # What scripts refused.
    rejected: tuple[tuple[Delivery, Refusal], ...] = ()
