"""/v1/bans and /v1/suspended-senders: while no smtp-gateway answers. What works is tested in tests/e2e/test_front_door.py."""

import pytest

from tests.integration.admin_api.conftest import Stage
from tests.integration.admin_api.test_rest import problem

CALLS = [
    ("GET", "/v1/bans", None),
    ("POST", "/v1/bans", {"network": "192.0.2.1", "reason": "x"}),
    ("DELETE", "/v1/bans?network=192.0.2.1", None),
    ("GET", "/v1/suspended-senders", None),
    ("POST", "/v1/suspended-senders", {"account": "a@b.test", "reason": "x"}),
    ("DELETE", "/v1/suspended-senders?account=a@b.test", None),
]


@pytest.mark.parametrize(("method", "path", "body"), CALLS)
def test_while_it_is_away_it_says_so(stage: Stage, method: str, path: str, body: object) -> None:
    answer = stage.client.request(method, path, json=body)
    assert problem(answer, 503) == "The smtp-gateway cannot be reached now; try again later."
