"""How much the property tests try: a fixed slice in `make test`, chance and time in `make fuzz`."""

import os

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
