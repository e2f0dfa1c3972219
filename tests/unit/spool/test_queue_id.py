"""Ids: of their time, of one alphabet, never the same twice."""

import os
import threading
import time

from spool.queue_id import ALPHABET, AT_ONCE, new_queue_id


def test_an_id_begins_with_its_time() -> None:
    before = time.time_ns() // 1_000_000
    made = new_queue_id()
    after = time.time_ns() // 1_000_000
    number = 0
    for letter in made:
        number = number << 5 | ALPHABET.index(letter)
    assert len(made) == 26
    assert before <= number >> 80 <= after


def test_threads_make_different_ids() -> None:
    made: list[str] = []

    def make() -> None:
        made.extend([new_queue_id() for _ in range(AT_ONCE * 4)])

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({each[10:] for each in made}) == AT_ONCE * 16


def test_a_process_that_was_forked_has_random_octets_of_its_own() -> None:
    new_queue_id()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, new_queue_id()[10:].encode())
        os._exit(0)
    os.waitpid(child, 0)
    theirs = os.read(reading, 100).decode()
    os.close(reading)
    os.close(writing)
    assert len(theirs) == 16
    assert theirs not in {new_queue_id()[10:] for _ in range(AT_ONCE)}
