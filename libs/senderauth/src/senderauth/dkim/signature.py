"""What DKIM-Signature and ARC-Message-Signature have in common (RFC 6376 §3.5, RFC 8617 §4.1.2)."""

from dataclasses import dataclass

from mailmsg.header import Field

from senderauth.dkim.canonical import Mode
from senderauth.dkim.keys import Algorithm
from senderauth.dkim.tags import Malformed, colon_list, decode_base64, required, whole_number
from senderauth.names import is_name, is_qualified_name, normal_name


class HistoricAlgorithm(Exception):
    """rsa-sha1: such a signature proves nothing any more (RFC 8301 §3.1)."""


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature in parts. `field` is where it stands; `header_names` in lower case; instants in Unix seconds."""

    field: Field
    algorithm: Algorithm
    domain: str
    selector: str
    header_mode: Mode
    body_mode: Mode
    header_names: tuple[bytes, ...]
    body_hash: bytes
    body_length: int | None
    signature: bytes
    signed_at: int | None
    expires_at: int | None

    @property
    def key_name(self) -> str:
        """Where DNS has the key (§3.6.2.1)."""
        return f"{self.selector}._domainkey.{self.domain}"


def parse_algorithm(text: str) -> Algorithm:
    """Raises Malformed, or HistoricAlgorithm."""
    if text == "rsa-sha1":
        raise HistoricAlgorithm
    try:
        return Algorithm(text)
    except ValueError:
        raise Malformed(f"an unknown algorithm: {text[:30]!a}") from None


def parse_key_place(tags: dict[str, str]) -> tuple[str, str]:
    """Domain and selector. Raises Malformed."""
    domain = normal_name(required(tags, "d"))
    selector = normal_name(required(tags, "s"))
    if not is_qualified_name(domain) or not is_name(f"{selector}._domainkey.{domain}"):
        raise Malformed("d= and s= make no name")
    return domain, selector


def parse_signature(tags: dict[str, str], field: Field) -> Signature:
    """The parts that both kinds share. Raises Malformed or HistoricAlgorithm."""
    algorithm = parse_algorithm(required(tags, "a"))
    domain, selector = parse_key_place(tags)
    names = tuple(name.lower().encode("utf-8") for name in colon_list(required(tags, "h")))
    if b"from" not in names:
        raise Malformed("From is not signed")
    header_mode, body_mode = _parse_modes(tags.get("c", "simple/simple"))
    body_hash = decode_base64(required(tags, "bh"))
    if len(body_hash) != 32:
        raise Malformed("bh= is no SHA-256 digest")
    signed_at = whole_number(tags["t"]) if "t" in tags else None
    expires_at = whole_number(tags["x"]) if "x" in tags else None
    if signed_at is not None and expires_at is not None and expires_at <= signed_at:
        raise Malformed("it expires before it was made")
    if "q" in tags and "dns/txt" not in colon_list(tags["q"]):
        raise Malformed("no known way to the key")
    return Signature(
        field,
        algorithm,
        domain,
        selector,
        header_mode,
        body_mode,
        names,
        body_hash,
        whole_number(tags["l"]) if "l" in tags else None,
        decode_base64(required(tags, "b")),
        signed_at,
        expires_at,
    )


def _parse_modes(text: str) -> tuple[Mode, Mode]:
    header, _, body = text.partition("/")
    try:
        return Mode(header.strip()), Mode(body.strip() or "simple")
    except ValueError:
        raise Malformed(f"an unknown canonical form: {text[:30]!a}") from None
