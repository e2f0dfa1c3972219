"""What one script may use while it is compiled: its "require" (RFC 5228 §2.10.5), and what "ihave" may add
(RFC 5463 §4).

A script that requires "ihave" may name extensions that nobody required: what uses them is compiled all the same and
asks at run time whether a test has turned the extension on. `needs` collects these for the command or test at hand.
"""

from __future__ import annotations

from collections.abc import Iterable

from sieve.capabilities import BUILT_IN, CHANGES_READING, IMPLIED
from sieve.errors import ScriptError, UnavailableError
from sieve.limits import Limits
from sieve.scripts import ScriptNamed
from sieve.text import Reference, Text, read_text, variable_name

MAX_SCRIPT_NAME_OCTETS = 512


class Scope:
    """The state of one compilation."""

    def __init__(self, available: frozenset[str], limits: Limits) -> None:
        self.available = available
        self.limits = limits
        self.required: set[str] = set(BUILT_IN)
        self.needs: set[str] = set()
        self.loops: list[str] = []
        """The names of the "foreverypart" loops around, empty for one without a name."""
        self.set_variables: set[str] = set()
        """Variables that a "set" further up has named."""
        self.includes: set[ScriptNamed] = set()
        self.regex_states = 0
        """Of the regular expressions so far."""
        self.features: set[str] = set()
        """Capabilities that something in the script really uses."""

    def require(self, names: Iterable[bytes], line: int) -> None:
        """A "require" command (RFC 5228 §3.2)."""
        for name in names:
            capability = name.decode("utf-8", "replace")
            if capability not in self.available:
                raise ScriptError(f'the extension "{capability[:100]}" is not available', line)
            self.required.add(capability)
            self.required |= IMPLIED.get(capability, frozenset())

    @property
    def is_lenient(self) -> bool:
        """True where "ihave" puts off the check of extensions to the run."""
        return "ihave" in self.required

    def has(self, capability: str) -> bool:
        """True where something may be read as this extension has it."""
        if capability in self.required:
            return True
        return self.is_lenient and capability in self.available and capability not in CHANGES_READING

    def use(self, capability: str, what: str, line: int) -> None:
        """Note that something of an extension is used. Raises UnavailableError where it may not be."""
        self.features.add(capability)
        if capability in self.required:
            return
        if not self.has(capability):
            raise UnavailableError(f'{what} needs the extension "{capability}": require it', line)
        self.needs.add(capability)

    @property
    def _namespaces(self) -> frozenset[str] | None:
        if "variables" not in self.required:
            return None
        return frozenset({"global"}) if "include" in self.required else frozenset()

    def text(self, source: bytes, line: int) -> Text:
        """A string literal's meaning."""
        encoded = "encoded-character" in self.required
        return read_text(source, line, encoded=encoded, namespaces=self._namespaces)

    def variable(self, name: Text, line: int) -> Reference:
        """The variable that a command is to change. Raises ScriptError."""
        if not name.is_constant:
            raise ScriptError("the name of a variable must be a constant string", line)
        return variable_name(name.source, line, self._namespaces or frozenset())


def script_name(name: Text, line: int) -> str:
    """A script's name (RFC 5804 §1.6, RFC 6609 §3.2). Raises ScriptError where it can't be one, or could do harm."""
    if not name.is_constant:
        raise ScriptError("the name of a script must be a constant string", line)
    try:
        decoded = name.source.decode("utf-8")
    except UnicodeDecodeError:
        raise ScriptError("the name of a script must be UTF-8", line) from None
    unfit = any(
        ord(sign) < 0x20 or 0x7F <= ord(sign) <= 0x9F or sign in "\u2028\u2029/\\" for sign in decoded
    )
    if not decoded or unfit or len(name.source) > MAX_SCRIPT_NAME_OCTETS:
        raise ScriptError("this can't be the name of a script", line)
    return decoded
