"""Which scanners the settings turn on."""

from typing import Any

import pytest
from mda.adapters.configured import scanners_of
from mda.settings import Settings


def settings(**values: Any) -> Settings:
    return Settings.model_construct(
        **{name: field.default for name, field in Settings.model_fields.items()} | values
    )


def test_none_or_those_that_are_named() -> None:
    assert scanners_of(settings()) == []
    found = scanners_of(
        settings(clamd="127.0.0.1:3310", icap_url="icap://127.0.0.1/avscan", rspamd_url="http://127.0.0.1:1")
    )
    assert [each.name for each in found] == ["clamav", "icap", "rspamd"]


@pytest.mark.parametrize("values", [{"clamd": "localhost"}, {"icap_url": "http://127.0.0.1/avscan"}])
def test_an_address_that_is_none_is_refused(values: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="must be"):
        scanners_of(settings(**values))
