"""What an authenticator is said to have answered is a stranger's text."""

import pytest
from directory.edge.second_factors import RESPONSE_OCTETS, _response


@pytest.mark.parametrize(
    "text", ["[" * 60_000, '{"a":' * 13_000, "[]", "5", "", "{", "{}" + " " * RESPONSE_OCTETS]
)
def test_what_is_no_object_is_a_wrong_answer_and_no_fault_of_ours(text: str) -> None:
    with pytest.raises(ValueError):
        _response(text)
