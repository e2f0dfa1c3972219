"""What doors know of logins: while the directory restarts, while it is away, and the moment that something is taken back."""

import time
from concurrent.futures import ThreadPoolExecutor

from tests.e2e.test_logins import DOORS, LATER, WRONG
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


def test_what_is_taken_back_is_gone_at_every_door_at_once(platform: Platform) -> None:
    person = platform.create_account("revoked")
    # Now every door remembers a yes.
    assert is_in_everywhere(platform, person)
    platform.choose(f"accounts/{person.address}", suspended=True)
    for (door, _), said in everywhere(platform, person, person.password).items():
        assert said.startswith(WRONG[door]), (door, said)
    platform.choose(f"accounts/{person.address}", suspended=False)
    assert is_in_everywhere(platform, person)
    platform.choose(f"accounts/{person.address}", password="another good password")
    for (door, password), said in everywhere(
        platform, person, "another good password", person.password
    ).items():
        if password == person.password:
            assert said.startswith(WRONG[door]), (door, said)
        else:
            assert said == "in", (door, said)
