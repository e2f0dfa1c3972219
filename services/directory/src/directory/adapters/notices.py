"""Telling what was noticed about a login, on login.noticed."""

import json
from collections.abc import Callable

from eventbus.subjects import LOGIN_NOTICED

from directory.ports import Login, SignInRecord


class BusNotices:
    """Fire and forget: the sign-in log has it too. `tell` is the bus's."""

    def __init__(self, tell: Callable[[str, bytes], None]) -> None:
        self._tell = tell

    def notice(self, login: Login, record: SignInRecord) -> None:
        """A login that was granted and is worth a look."""
        said = {
            "tenant_id": login.tenant_id,
            "account_id": record.account_id,
            "address": login.address,
            "service": record.service,
            "client_address": record.address,
            "at": record.last_at.isoformat(),
            "new_device": record.new_device,
            "suspicious": record.suspicious,
        }
        self._tell(LOGIN_NOTICED, json.dumps(said).encode())
