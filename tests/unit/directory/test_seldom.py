"""What goes wrong at every read is said once a minute."""

from typing import Any, cast

import grpc
import pytest
from directory import metrics
from directory.adapters.data_keys import DataKeyRecord
from directory.core.data_keys import Unwrappable, Wrapped
from directory.core.seldom import MOST_SAID, QUIET_SECONDS, Seldom
from directory.edge import data_keys
from mailwire.directory.v1 import keys_pb2 as wire


def test_each_thing_is_said_once_a_minute_with_how_often_it_came() -> None:
    seldom = Seldom()
    assert [seldom.times("a", 0.0), seldom.times("b", 1.0)] == [1, 1]
    assert [seldom.times("a", float(second)) for second in range(60)] == [0] * 60
    assert [seldom.times("a", QUIET_SECONDS), seldom.times("a", QUIET_SECONDS + 1)] == [61, 0]
    assert seldom.times("b", QUIET_SECONDS) == 0
    # After a long time it is new.
    assert seldom.times("a", 5 * QUIET_SECONDS) == 1


def test_it_is_bounded_and_has_room_again() -> None:
    seldom = Seldom()
    assert sum(seldom.times(number, 0.0) for number in range(2 * MOST_SAID)) == MOST_SAID
    assert seldom.times("late", QUIET_SECONDS - 1) == 0
    assert len(cast(Any, seldom)._quiet) == MOST_SAID
    assert seldom.times("late", QUIET_SECONDS) == 1


class Keys:
    """Key 1 is wrapped with what is not here; of the others nothing is known."""

    async def get(self, tenant_id: str, version: int) -> DataKeyRecord | None:
        wrapped = Wrapped("k", b"?")
        return DataKeyRecord(tenant_id, 1, wrapped, cast(Any, None), None) if version == 1 else None

    async def current(self, tenant_id: str) -> tuple[bool, None]:
        return True, None


class Provider:
    async def unwrap(self, wrapped: Wrapped, place: str) -> bytes:
        raise Unwrappable("the wrong keyring")


class Context:
    def invocation_metadata(self) -> tuple[()]:
        return ()

    async def abort(self, code: grpc.StatusCode, details: str) -> None:
        raise PermissionError(code.name)


class Log:
    def __init__(self) -> None:
        self.said: list[tuple[str, int, int]] = []

    def error(self, event: str, *, version: int, times: int, **_: Any) -> None:
        self.said.append((event, version, times))


async def test_keys_that_are_read_again_and_again_are_named_once_a_minute(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log, now, tenant_id = Log(), [0.0], "11111111-1111-4111-8111-111111111111"
    monkeypatch.setattr(data_keys, "LOG", log)
    questions = data_keys.DataKeyQuestions(
        cast(Any, Keys()), cast(Any, Provider()), cast(Any, None), clock=lambda: now[0]
    )
    unknown, unopened = metrics.DATA_KEYS_UNKNOWN, metrics.DATA_KEYS_UNOPENED
    before = [cast(Any, each)._value.get() for each in (unknown, unopened)]

    async def read(version: int) -> None:
        request = wire.GetDataKeyRequest(tenant_id=tenant_id, version=version)
        if version == 1:
            with pytest.raises(PermissionError, match="UNAVAILABLE"):
                await questions.GetDataKey(request, cast(Any, Context()))
        else:
            answer = await questions.GetDataKey(request, cast(Any, Context()))
            assert answer.state == wire.DATA_KEY_STATE_UNKNOWN

    for seconds in (0.0, 30.0, 59.0, 60.0, 61.0):
        now[0] = seconds
        for version in (1, 2, 3):
            await read(version)
    names = [("data_key_unopened", 1), ("data_key_unknown", 2), ("data_key_unknown", 3)]
    assert log.said == [(*each, 1) for each in names] + [(*each, 3) for each in names]
    # Each read is counted all the same.
    after = [cast(Any, each)._value.get() for each in (unknown, unopened)]
    assert [after[0] - before[0], after[1] - before[1]] == [10, 5]
