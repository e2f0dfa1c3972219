"""The directory goes away: logins wait for one that restarts, and while it stays away nobody comes in anywhere."""

import time
from concurrent.futures import ThreadPoolExecutor

from tests.e2e.test_logins import DOORS, LATER
from tests.support.platform import Account, Platform


def everywhere(platform: Platform, person: Account, *passwords: str) -> dict[tuple[str, str], str]:
    """What each door says to each password, all of them asked at once."""
    with ThreadPoolExecutor(2 * len(DOORS)) as pool:
        said = {
            (door, password): pool.submit(log_in, platform, person.address, password)
            for door, log_in in DOORS.items()
            for password in passwords
        }
        return {asked: each.result() for asked, each in said.items()}


def is_in_everywhere(platform: Platform, person: Account) -> bool:
    return set(everywhere(platform, person, person.password).values()) == {"in"}


def test_logins_wait_for_a_directory_that_restarts(platform: Platform) -> None:
    # Nobody has logged in as this one: nothing is remembered anywhere.
    person = platform.create_account("patient")
    platform.kill("directory")
    assert is_in_everywhere(platform, person)


def test_while_the_directory_is_away_nobody_comes_in(platform: Platform) -> None:
    person = platform.create_account("locked-out")
    with platform.held_down("directory"):
        for (door, _), said in everywhere(platform, person, person.password, "a wrong password").items():
            assert said.startswith(LATER[door]), (door, said)
    deadline = time.monotonic() + 30
    while not is_in_everywhere(platform, person):
        assert time.monotonic() < deadline
        time.sleep(0.2)
