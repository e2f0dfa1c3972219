"""DMARC aggregate reports (RFC 9990, and RFC 7489 §7.2, Appendix C): how they are written, what they say, who wants them.

Written from what the world's receivers send and take: one <feedback> with metadata, the policy that was found, and a
<record> for each kind of result. What we write is RFC 9990's; what only RFC 7489 knows (pct, sampled_out) stands in it where the
domain's record still says so, for readers of that time. Both are read. Reading is done with expat and without a document type, so that no entity is ever
expanded.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from xml.parsers import expat
from xml.sax.saxutils import escape

from senderauth.names import normal_name
from senderauth.reports.envelope import ReportFault

MAX_ROWS = 50_000
MAX_DEPTH = 12
MAX_TEXT = 1_000
MAX_ELEMENTS = 2_000_000
# expat keeps every name that it has met until the end.
MAX_NAMES = 1_000
MAX_ATTRIBUTES = 100_000
MAX_FIELDS = 1_000
"""Of the head, and of one record."""
PIECE_OCTETS = 256 * 1024
MAX_TAG_OCTETS = 512 * 1024
NAMESPACE = "urn:ietf:params:xml:ns:dmarc-2.0"
GENERATOR = "Posthouse"


@dataclass(frozen=True, slots=True)
class Published:
    """The record as it was found at `domain`."""

    domain: str
    policy: str
    subdomain_policy: str = ""
    dkim_alignment: str = "r"
    spf_alignment: str = "r"
    percent: int = 100
    nonexistent_policy: str = ""
    # y or n: whether the owner only tries it out (t=y).
    testing: str = "n"


@dataclass(frozen=True, slots=True)
class DkimAuth:
    """One signature."""

    domain: str
    selector: str
    result: str


@dataclass(frozen=True, slots=True)
class Row:
    """What messages have in common. `dkim` and `spf` say whether one that passed is aligned: pass or fail.

    `disposition` is none, quarantine or reject; `override` is why the policy was not followed ("" where it was).
    """

    source_address: str
    disposition: str
    dkim: str
    spf: str
    header_from: str
    envelope_from: str = ""
    spf_domain: str = ""
    spf_result: str = "none"
    signatures: tuple[DkimAuth, ...] = ()
    override: str = ""


@dataclass(frozen=True, slots=True)
class DmarcReport:
    """One report; rows with how many messages each stands for."""

    organization: str
    email: str
    report_id: str
    begin_at: datetime
    end_at: datetime
    published: Published
    rows: tuple[tuple[Row, int], ...] = field(default=())


def authorization_name(domain: str, receiver: str) -> str:
    """Where a foreign domain says that it takes reports about this one (RFC 7489 §7.1)."""
    return f"{normal_name(domain)}._report._dmarc.{normal_name(receiver)}"


def is_authorized(records: Iterable[str]) -> bool:
    """Whether what is there is a DMARC record at least (§7.1 step 5)."""
    return any(record.replace(" ", "").lower().startswith("v=dmarc1") for record in records)


def build(report: DmarcReport) -> bytes:
    """As XML (RFC 9990 Appendix A)."""
    policy = report.published
    parts = [
        '<?xml version="1.0" encoding="UTF-8"?>\n<feedback xmlns="'
        + NAMESPACE
        + '">\n<version>1.0</version>\n<report_metadata>\n',
        _element("org_name", report.organization),
        _element("email", report.email),
        _element("report_id", report.report_id),
        "<date_range>",
        _element("begin", str(int(report.begin_at.timestamp()))),
        _element("end", str(int(report.end_at.timestamp()))),
        "</date_range>\n",
        _element("generator", GENERATOR),
        "</report_metadata>\n<policy_published>\n",
        _element("domain", policy.domain),
        _element("discovery_method", "treewalk"),
        _element("p", policy.policy),
        _element("sp", policy.subdomain_policy or policy.policy),
        _element("np", policy.nonexistent_policy) if policy.nonexistent_policy else "",
        _element("adkim", policy.dkim_alignment),
        _element("aspf", policy.spf_alignment),
        _element("testing", policy.testing),
        _element("pct", str(policy.percent)) if policy.percent != 100 else "",
        "</policy_published>\n",
    ]
    parts += [_record(row, count) for row, count in report.rows]
    parts.append("</feedback>\n")
    return "".join(parts).encode("utf-8", "replace")


def parse(data: bytes) -> DmarcReport | ReportFault:
    """What a stranger reports. Elements that are not known are passed over."""
    reader = _Reader()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.characters
    parser.StartDoctypeDeclHandler = reader.doctype
    try:
        view = memoryview(data)
        for start in range(0, len(data), PIECE_OCTETS):
            parser.Parse(view[start : start + PIECE_OCTETS], False)
            # A tag is in memory whole, with all its attributes, before we hear of it.
            if start + PIECE_OCTETS - parser.CurrentByteIndex > MAX_TAG_OCTETS + PIECE_OCTETS:
                raise ValueError("a tag without an end")
        parser.Parse(b"", True)
        return reader.report()
    except (expat.ExpatError, ValueError, OverflowError, OSError, LookupError) as error:
        return ReportFault(f"it is no DMARC report: {error}"[:200])


def _element(name: str, text: str) -> str:
    # XML 1.0 §2.2 has no place for most control characters, escaped or not.
    legal = "".join(letter for letter in text if letter.isprintable())
    return f"<{name}>{escape(legal)}</{name}>\n"


def _record(row: Row, count: int) -> str:
    # What passed was not a matter of policy.
    passed = row.disposition == "none" and "pass" in (row.dkim, row.spf)
    evaluated = (
        _element("disposition", "pass" if passed else row.disposition)
        + _element("dkim", row.dkim)
        + _element("spf", row.spf)
    )
    if row.override:
        evaluated += f"<reason>\n{_element('type', row.override)}</reason>\n"
    signatures = "".join(
        "<dkim>\n"
        + _element("domain", each.domain)
        + _element("selector", each.selector)
        + _element("result", each.result)
        + "</dkim>\n"
        for each in row.signatures
    )
    spf = (
        "<spf>\n"
        + _element("domain", row.spf_domain)
        + _element("scope", "mfrom" if row.envelope_from else "helo")
        + _element("result", row.spf_result)
        + "</spf>\n"
    )
    return (
        f"<record>\n<row>\n{_element('source_ip', row.source_address)}{_element('count', str(count))}"
        f"<policy_evaluated>\n{evaluated}</policy_evaluated>\n</row>\n<identifiers>\n"
        f"{_element('envelope_from', row.envelope_from)}{_element('header_from', row.header_from)}</identifiers>\n"
        f"<auth_results>\n{signatures}{spf}</auth_results>\n</record>\n"
    )


class _Reader:
    """Collects texts by their path from the root; a record is made when its element ends."""

    def __init__(self) -> None:
        self._path: list[str] = []
        self._text: list[str] = []
        self._length = 0
        self._head: dict[str, str] = {}
        self._record: dict[str, str] = {}
        self._signature: dict[str, str] = {}
        self._signatures: list[DkimAuth] = []
        self._rows: list[tuple[Row, int]] = []
        self._names: set[str] = set()
        self._elements = 0
        self._attributes = 0

    def doctype(self, *_: object) -> None:
        raise ValueError("a document type")

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._names.add(name)
        self._elements += 1
        self._attributes += len(attributes)
        if len(self._names) > MAX_NAMES or self._elements > MAX_ELEMENTS or self._attributes > MAX_ATTRIBUTES:
            raise ValueError("too many elements, attributes or names of them")
        # Some receivers name the namespace with a prefix.
        self._path.append(name.rpartition(":")[2].lower())
        if len(self._path) > MAX_DEPTH:
            raise ValueError("elements in elements in elements")
        self._text.clear()
        self._length = 0

    def characters(self, text: str) -> None:
        if self._length < MAX_TEXT:
            self._text.append(text[: MAX_TEXT - self._length])
            self._length += len(text)

    def end(self, _name: str) -> None:
        path, text = "/".join(self._path[1:]), "".join(self._text).strip().replace("\0", "")
        self._path.pop()
        self._text.clear()
        self._length = 0
        if path == "record":
            self._add()
        elif path.startswith("record/auth_results/dkim/"):
            _keep(self._signature, path.rpartition("/")[2], text)
        elif path == "record/auth_results/dkim":
            each, self._signature = self._signature, {}
            if len(self._signatures) < 20:
                self._signatures.append(
                    DkimAuth(each.get("domain", ""), each.get("selector", ""), each.get("result", ""))
                )
        elif path.startswith("record/"):
            _keep(self._record, path.removeprefix("record/"), text)
        else:
            _keep(self._head, path, text)

    def _add(self) -> None:
        found, self._record = self._record, {}
        signatures, self._signatures = tuple(self._signatures), []
        if len(self._rows) == MAX_ROWS:
            raise ValueError("too many records")
        count = int(found.get("row/count", "") or "0")
        if not 0 <= count < 2**53:
            raise ValueError("no count")
        disposition = found.get("row/policy_evaluated/disposition", "none")
        row = Row(
            found.get("row/source_ip", ""),
            "none" if disposition == "pass" else disposition,
            found.get("row/policy_evaluated/dkim", "fail"),
            found.get("row/policy_evaluated/spf", "fail"),
            normal_name(found.get("identifiers/header_from", "")),
            found.get("identifiers/envelope_from", ""),
            found.get("auth_results/spf/domain", ""),
            found.get("auth_results/spf/result", "none"),
            signatures,
            found.get("row/policy_evaluated/reason/type", ""),
        )
        self._rows.append((row, count))

    def report(self) -> DmarcReport:
        head = self._head
        domain = normal_name(head.get("policy_published/domain", ""))
        if not domain:
            raise ValueError("no policy_published")
        percent = head.get("policy_published/pct", "")
        return DmarcReport(
            head.get("report_metadata/org_name", ""),
            head.get("report_metadata/email", ""),
            head.get("report_metadata/report_id", ""),
            datetime.fromtimestamp(int(head.get("report_metadata/date_range/begin", "")), UTC),
            datetime.fromtimestamp(int(head.get("report_metadata/date_range/end", "")), UTC),
            Published(
                domain,
                head.get("policy_published/p", ""),
                head.get("policy_published/sp", ""),
                head.get("policy_published/adkim", "r"),
                head.get("policy_published/aspf", "r"),
                int(percent) if percent.isascii() and percent.isdigit() else 100,
                head.get("policy_published/np", ""),
                head.get("policy_published/testing", "n"),
            ),
            tuple(self._rows),
        )


def _keep(values: dict[str, str], name: str, text: str) -> None:
    """The first of a name counts."""
    if len(values) < MAX_FIELDS:
        values.setdefault(name, text)
