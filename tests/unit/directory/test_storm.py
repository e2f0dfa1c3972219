"""A storm of guesses: in which order passwords are looked at, when there are more than can be."""

import asyncio
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from directory.adapters.journal import Journal
from directory.core import scram
from directory.core.guests import Guest
from directory.core.limits import Rules, Standing, Tally
from directory.core.passwords import Hasher, Verdicts
from directory.core.resolving import Found
from directory.core.scram import ScramKeys, ScramMaterial
from directory.edge.hashing import Hashing
from directory.edge.signing_in import Attempt, Entry, SigningIn, Throttled
from directory.ports import Attempted, Login

NOW = datetime(2026, 11, 21, 8, tzinfo=UTC)
ITERATIONS = 4096
SALT = bytes(16)


class People:
    """Accounts by their local part; the password of each is its name, twice."""

    async def login(self, local_part: str, domain: str, app_verifier: str) -> Login | None:
        if not local_part.startswith("u"):
            return None
        keys = scram.keys(local_part * 2, SALT, ITERATIONS)
        return Login(
            local_part, "t", f"{local_part}@{domain}", "default", "argon", False, scram_salt=SALT, scram=keys
        )

    async def found(self, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Found]:
        return {}

    async def barred(self, guests: Sequence[Guest]) -> list[int]:
        return []

    async def replace_verifier(self, login: Login, verifier: str) -> None:
        return None

    async def login_of_credential(self, local_part: str, domain: str, credential_id: str) -> Login | None:
        return None

    async def add_scram(self, login: Login, verifier: str, keys: ScramKeys) -> None:
        return None

    async def scram(self, local_part: str, domain: str, door: str, now: datetime) -> ScramMaterial | None:
        return None


class Tallies:
    """What every prefix has failed already; those in `familiar` came in before."""

    def __init__(self) -> None:
        self.failures: dict[str, int] = {}
        self.familiar: set[str] = set()

    async def standing(self, attempted: Attempted, now: datetime) -> Standing:
        failures = self.failures.get(attempted.prefix, 0)
        return Standing(
            prefix=Tally(failures, NOW if failures else None),
            succeeded_at=NOW if attempted.prefix in self.familiar else None,
        )

    async def came_before(self, account_id: str) -> bool:
        return False

    async def failed(self, attempted: Attempted, now: datetime) -> None:
        self.failures[attempted.prefix] = self.failures.get(attempted.prefix, 0) + 1

    async def succeeded(self, attempted: Attempted, now: datetime) -> None:
        return None


class Storm:
    """A decision whose first look at a password takes until the test lets go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, strangers: int = 64) -> None:
        self.gate = threading.Event()
        self.looked_at: list[str] = []
        self.tallies = Tallies()
        self.hashing = Hashing(1, strangers)
        pool: Any = None
        hasher = Hasher(8, 1)
        monkeypatch.setattr(hasher, "is_weak", lambda encoded: False)
        self.signing_in = SigningIn(
            People(), self.tallies, Rules(), hasher, Verdicts(60.0), self.hashing,
            Journal(pool), b"secret", ITERATIONS, lambda: NOW,
        )  # fmt: skip
        real = scram.is_password

        def slow(password: str, salt: bytes, kept: ScramKeys | None, iterations: int) -> bool:
            self.gate.wait(10)
            self.looked_at.append(password)
            return real(password, salt, kept, iterations)

        monkeypatch.setattr(scram, "is_password", slow)

    def comes(self, name: str, password: str, client: str) -> "asyncio.Task[object]":
        attempt = Attempt(f"{name}@example.test", password, "imap", client)
        return asyncio.create_task(self.signing_in.decide(attempt))


async def settle() -> None:
    for _ in range(40):
        await asyncio.sleep(0)


async def test_one_from_a_new_address_goes_before_all_whose_addresses_have_failed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    storm = Storm(monkeypatch)
    for number in range(30):
        storm.tallies.failures[f"10.0.0.{number}/32"] = 1 + number % 3
    storm.tallies.familiar.add("198.51.100.1/32")
    crowd = [storm.comes("u9" if n % 2 else "nobody", f"guess {n}", f"10.0.0.{n}") for n in range(30)]
    await settle()
    stranger = storm.comes("u1", "u1u1", "203.0.113.7")
    await settle()
    known = storm.comes("u2", "u2u2", "198.51.100.1")
    await settle()
    storm.gate.set()
    assert isinstance(await stranger, Entry)
    assert isinstance(await known, Entry)
    await asyncio.gather(*crowd)
    # The first of the crowd was being looked at already; then whom we know, the new one, and the rest by failures.
    assert storm.looked_at[1:3] == ["u2u2", "u1u1"]
    rest = [int(each.split()[1]) % 3 for each in storm.looked_at[3:]]
    assert rest == sorted(rest)
    storm.hashing.close()


async def test_who_is_sent_away_is_of_the_crowd(monkeypatch: pytest.MonkeyPatch) -> None:
    storm = Storm(monkeypatch, strangers=4)
    for number in range(20):
        storm.tallies.failures[f"10.0.0.{number}/32"] = 1
    crowd = [storm.comes("u9", f"guess {number}", f"10.0.0.{number}") for number in range(20)]
    await settle()
    strangers = [storm.comes(f"u{n}", f"u{n}u{n}", f"203.0.113.{n}") for n in range(4)]
    await settle()
    storm.gate.set()
    assert all(isinstance(each, Entry) for each in await asyncio.gather(*strangers))
    outcomes = await asyncio.gather(*crowd)
    assert sum(isinstance(each, Throttled) for each in outcomes) == 19
    storm.hashing.close()


async def test_a_login_that_does_not_exist_is_looked_at_as_often_and_in_its_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    storm = Storm(monkeypatch)
    first = storm.comes("u0", "first", "10.0.0.1")
    await settle()
    visits = []
    for number in range(6):
        visits.append(storm.comes("u3" if number % 2 else "nobody", f"{number}", f"10.0.1.{number}"))
        await settle()
    storm.gate.set()
    await asyncio.gather(first, *visits)
    assert storm.looked_at == ["first", "0", "1", "2", "3", "4", "5"]
    storm.hashing.close()


@pytest.mark.parametrize("password", ["secret", "pässword", "\u0221 not for SASLprep", ""])
def test_the_keys_tell_right_from_wrong(password: str) -> None:
    keys = scram.keys(password, SALT, ITERATIONS)
    assert scram.is_password(password, SALT, keys, ITERATIONS) is (keys is not None)
    assert not scram.is_password(password + "x", SALT, keys, ITERATIONS)
    assert not scram.is_password(password, SALT, None, ITERATIONS)
    if keys is not None:
        # Their own number of rounds counts, not today's.
        assert scram.is_password(password, SALT, keys, 2 * ITERATIONS)
        assert not scram.is_password(password, bytes(15) + b"1", keys, ITERATIONS)
