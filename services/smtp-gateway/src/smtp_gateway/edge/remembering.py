"""What an account or a tenant used of a day survives the end of all processes: it is written down now and then.

Only the limits of a day are: an hour's are soon over, and a client's are for now. What was used in the last seconds before
an end may be lost, to the sender's advantage.
"""

import json
import time
from collections.abc import Callable

from eventbus import BusUnavailable
from servicekit import logs

from smtp_gateway.core.limits import Limited, Limits, Spent
from smtp_gateway.ports import Ledger

LOG = logs.logger("smtp_gateway.remembering")
REMEMBERED = (
    Limited.ACCOUNT_MESSAGES_DAILY,
    Limited.ACCOUNT_RECIPIENTS_DAILY,
    Limited.ACCOUNT_OVERRUNS,
    Limited.TENANT_MESSAGES_DAILY,
    Limited.TENANT_RECIPIENTS_DAILY,
)
BY_NAME = {limited.value: limited for limited in REMEMBERED}
AT_ONCE = 500
AGO_MOST = 1e7


class Remembering:
    """`clock` counts as the limits do, `wall` seconds since 1970."""

    def __init__(
        self,
        limits: Limits,
        ledger: Ledger,
        clock: Callable[[], float],
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._limits = limits
        self._ledger = ledger
        self._clock = clock
        self._wall = wall
        self._used: dict[tuple[Limited, str], None] = {}
        # Of these nothing is in use any more, whatever was written down.
        self._forgotten: set[tuple[Limited, str]] = set()

    def used(self, account_id: str, tenant_id: str) -> None:
        """Something of an account was let through."""
        for limited in REMEMBERED:
            key = account_id if limited.value.startswith("account") else tenant_id
            self._used[(limited, key)] = None

    def resumed(self, account_id: str) -> None:
        """What an account went beyond its limits is forgotten: else the next process would suspend it again for it."""
        key = (Limited.ACCOUNT_OVERRUNS, account_id)
        self._used[key] = None
        self._forgotten.add(key)

    def restore(self, entry: str, value: bytes) -> None:
        """What was written down, of before this process began."""
        name, _, key = entry.partition(" ")
        limited = BY_NAME.get(name)
        try:
            level, at, allowed = json.loads(value)
            ago = min(max(self._wall() - float(at), 0.0), AGO_MOST)
            spent = Spent(limited, key, round(level), int(allowed)) if limited is not None else None
        except (ValueError, TypeError, OverflowError, RecursionError):
            return
        if spent is not None:
            self._limits.spent_elsewhere(spent, self._clock() - ago)

    async def write(self) -> None:
        """Write down what was used since the last time; what cannot be written now is written the next time."""
        for limited, key in list(self._used)[:AT_ONCE]:
            level = round(self._limits.level(limited, key, self._clock()))
            value = json.dumps([level, self._wall(), self._limits.allowed(limited, key)]).encode()
            try:
                if level:
                    await self._ledger.put(f"{limited.value} {key}", value)
                elif (limited, key) in self._forgotten:
                    await self._ledger.remove(f"{limited.value} {key}")
            except BusUnavailable as error:
                LOG.warning("use_not_written", error=str(error))
                return
            self._used.pop((limited, key), None)
            self._forgotten.discard((limited, key))
