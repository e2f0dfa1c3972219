"""Ports that somebody has already."""

import socket

import pytest
from posthouse.errors import Problem
from posthouse.stack.ports import Ports

from tests.support.platform import free_base


def test_without_lmtp_there_is_still_a_platform_and_that_is_said() -> None:
    ports = Ports.at(free_base())
    assert ports.without_taken() == (ports, [])
    with socket.create_server(("127.0.0.1", ports.lmtp)):
        with pytest.raises(Problem, match=f"port {ports.lmtp} .lmtp. is in use"):
            ports.check_free(8)
        left, said = ports.without_taken()
        assert left.lmtp == 0
        assert said[0].startswith(f"LMTP is off: port {ports.lmtp} is in use")
        left.check_free(8)
    with socket.create_server(("127.0.0.1", ports.smtp)):
        assert ports.without_taken() == (ports, [])
        with pytest.raises(Problem, match=f"port {ports.smtp} .smtp. is in use"):
            ports.check_free(8)
