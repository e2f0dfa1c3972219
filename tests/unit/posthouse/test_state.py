"""Whether a process is the one that was noted."""

import os
import time

import psutil
from posthouse.supervisor.state import is_alive, started_at


def test_a_process_is_known_by_when_the_kernel_began_it() -> None:
    """Also where it came to note itself seconds later: on a busy machine Python takes that long to start."""
    me = os.getpid()
    assert started_at(me) == psutil.Process(me).create_time()
    assert is_alive(me, started_at(me))
    assert not is_alive(me, started_at(me) - 60), "another one with its number"


def test_who_is_gone_already_began_now() -> None:
    assert abs(started_at(2**22 + 1) - time.time()) < 60
