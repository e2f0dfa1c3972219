"""No method of our protos is left to the generated class, which would say that it is not implemented."""

import importlib
import pkgutil

import mailwire
import pytest

OURS = ("directory", "mda", "mta_queue", "smtp_gateway")


def bases() -> list[type]:
    found: list[type] = []
    for module in pkgutil.walk_packages(mailwire.__path__, "mailwire."):
        if module.name.endswith("_pb2_grpc"):
            named = vars(importlib.import_module(module.name)).items()
            found += [each for name, each in named if name.endswith("Servicer")]
    return found


@pytest.mark.parametrize("base", bases(), ids=lambda base: base.__name__)
def test_every_method_has_somebody_who_does_it(base: type) -> None:
    for package in OURS:
        for module in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
            if ".edge" in module.name:
                importlib.import_module(module.name)
    # Tests have servicers of their own.
    subclasses: list[type] = base.__subclasses__()
    [ours] = [each for each in subclasses if each.__module__.partition(".")[0] in OURS]
    left = [
        name for name in vars(base) if not name.startswith("_") and getattr(ours, name) is getattr(base, name)
    ]
    assert left == []
