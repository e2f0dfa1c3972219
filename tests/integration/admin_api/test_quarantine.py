"""/v1/quarantine: while no mda answers, and what is no tenant. What works is tested in tests/e2e/test_scanners.py."""

import pytest

from tests.integration.admin_api.conftest import Stage
from tests.integration.admin_api.test_rest import problem

PATHS = [
    ("GET", "/v1/quarantine/{}"),
    ("GET", "/v1/quarantine/{}/01J00000000000000000000000"),
    ("POST", "/v1/quarantine/{}/01J00000000000000000000000/release"),
    ("DELETE", "/v1/quarantine/{}/01J00000000000000000000000"),
]


@pytest.mark.parametrize(("method", "path"), PATHS)
def test_while_it_is_away_it_says_so(stage: Stage, tenant: str, method: str, path: str) -> None:
    sentence = problem(stage.call(method, path.format(tenant)), 503)
    assert sentence == "The quarantine cannot be reached now; try again later."


@pytest.mark.parametrize(("method", "path"), PATHS)
def test_a_tenant_that_is_none(stage: Stage, method: str, path: str) -> None:
    problem(stage.call(method, path.format("nobody-has-this-name")), 404)
