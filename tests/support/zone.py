"""DNS from a table, for what takes its DNS as a parameter (senderauth)."""

from collections.abc import Mapping, Sequence

from senderauth.dns import Answer, Answers, NoAnswer, RecordType, TempError
from senderauth.names import is_name

TIMEOUT = "TIMEOUT"
"""A name with this among its records, or a record type with it as a record, gets no answer."""

Records = Mapping[str, Sequence[str] | str]


class Zone:
    """Answers from `{"example.com": {"TXT": "v=spf1 -all", "A": ["192.0.2.1"]}}`; `TIMEOUT` in place of either.

    A name that has no records but has names below it gives NO_DATA, as DNS does; every other unknown one NO_NAME.
    Remembers the questions in `asked`.
    """

    def __init__(self, names: Mapping[str, Records | str]) -> None:
        self._names = {name.lower(): records for name, records in names.items()}
        self.asked: list[tuple[str, str]] = []

    async def __call__(self, name: str, record_type: RecordType, /) -> Answer:
        assert name == name.lower(), name
        assert is_name(name), name
        self.asked.append((name, record_type.value))
        records = self._names.get(name)
        if records is None:
            below = any(known.endswith("." + name) for known in self._names)
            return NoAnswer.NO_DATA if below else NoAnswer.NO_NAME
        found = TIMEOUT if isinstance(records, str) else records.get(record_type.value, ())
        if found == TIMEOUT:
            return TempError("timed out")
        values = (found,) if isinstance(found, str) else tuple(found)
        return Answers(values) if values else NoAnswer.NO_DATA
