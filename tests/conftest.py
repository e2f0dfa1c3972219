"""How much the property tests try (a fixed slice in `make test`, chance and time in `make fuzz`), and who runs which test."""

import os

import pytest
from hypothesis import HealthCheck, settings

EXAMPLES = int(os.environ.get("EXAMPLES", "20000"))

# The same examples on every run, and none is timed: a failure here is a failure everywhere.
settings.register_profile("slice", derandomize=True, deadline=None, max_examples=100, print_blob=True)
settings.register_profile(
    "fuzz",
    deadline=None,
    max_examples=EXAMPLES,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("slice")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """How processes share the tests (`make test`): one begins with those of whole installations, another with those of single
    services, so that what such tests share is started once; whoever is free takes of the others, by file.
    """
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return next(
                (each for each in ("tests/e2e/", "tests/integration/") if file.startswith(each)), file
            )

    return Scheduling(config, log)
