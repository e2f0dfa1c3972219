"""A slice of the fuzz run (`python -m tests.fuzz.mime_messages` does a million)."""

from tests.fuzz.mime_messages import check, messages


def test_messages_of_pieces() -> None:
    found = [check(message) for message in messages(3000, seed=11)]
    # Many are taken apart, and many have nothing to take apart.
    assert 500 < sum(facts.bodystructure.startswith(b"((") for facts in found) < 2500
