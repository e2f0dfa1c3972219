"""An LDAP source: how it is written down, and how an address gets into a filter (RFC 4515, RFC 4516)."""

import string
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from ldap3.core.exceptions import LDAPExceptionError
from ldap3.utils.conv import escape_filter_chars
from ldap3.utils.dn import parse_dn

from directory.core.names import NameInvalid

DEFAULT_FILTER = "(mail={address})"
FIELDS = frozenset({"address", "local_part", "domain"})
MOST_OCTETS = 1000
CA_OCTETS = 65_536


@dataclass(frozen=True, slots=True)
class LdapSource:
    """A tenant's choice. `bind_password` is None where nobody (anonymous) looks people up."""

    tenant_id: str
    url: str
    base_dn: str
    filter: str = DEFAULT_FILTER
    bind_dn: str = ""
    bind_password: str | None = field(default=None, repr=False)
    ca_certificates: str = ""

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or (636 if self.is_tls_at_once else 389)

    @property
    def is_tls_at_once(self) -> bool:
        """ldaps; otherwise StartTLS comes first (RFC 4511 §4.14)."""
        return self.url.startswith("ldaps:")

    def filter_for(self, address: str) -> str:
        """Whatever is in an address means itself there."""
        local_part, _, domain = address.rpartition("@")
        values = {"address": address, "local_part": local_part, "domain": domain}
        # Not str.format: a filter that says how wide a field is to be would make gigabytes of it.
        return "".join(
            text + (escape_filter_chars(values[name]) if name is not None else "")
            for text, name, _, _ in string.Formatter().parse(self.filter)
        )


def check(source: LdapSource) -> LdapSource:
    """Raises NameInvalid."""
    try:
        parts = urlsplit(source.url)
        well_written = parts.scheme in ("ldap", "ldaps") and bool(parts.hostname) and parts.port != 0
        well_written = well_written and parts.path in ("", "/") and "@" not in parts.netloc
        well_written = well_written and not parts.query and not parts.fragment
    except ValueError:
        well_written = False
    if not well_written:
        raise NameInvalid("an LDAP source is ldaps://host[:port], or ldap://host[:port] for StartTLS")
    if max(map(len, (source.url, source.base_dn, source.bind_dn, source.filter))) > MOST_OCTETS:
        raise NameInvalid(f"a source's texts have at most {MOST_OCTETS} characters")
    if len(source.ca_certificates) > CA_OCTETS or "\0" in source.ca_certificates:
        raise NameInvalid(f"certificates of authorities are text of at most {CA_OCTETS} characters")
    try:
        for name in (source.base_dn, source.bind_dn):
            if name:
                parse_dn(name)
        wanted = [each for each in string.Formatter().parse(source.filter) if each[1] is not None]
    except (LDAPExceptionError, ValueError) as error:
        raise NameInvalid("that is no name (RFC 4514), or no filter (RFC 4515)") from error
    fields = {name for _, name, _, _ in wanted}
    is_plain = not any(form or conversion for _, _, form, conversion in wanted)
    if (
        not source.base_dn
        or not fields
        or not fields <= FIELDS
        or not is_plain
        or not source.filter[:1] == "("
    ):
        raise NameInvalid("it needs a base, and a filter with {address}, {local_part} or {domain} in it")
    if source.bind_dn and source.bind_password == "":
        # RFC 4513 §5.1.2: that would be an unauthenticated bind, which proves nothing.
        raise NameInvalid("whoever looks people up needs a password")
    return source
