"""The manifests tell each service what it asks for, and nothing that it does not know (pydantic would not say so)."""

import re
from importlib import import_module
from pathlib import Path

import pytest
from servicekit.settings import ServiceSettings

BASE = Path(__file__).parents[3] / "deploy/k8s/base"
SERVICES = sorted(path.parent.name for path in BASE.glob("*/deployment.yaml"))


def _settings(service: str) -> type[ServiceSettings]:
    found = import_module(service.replace("-", "_") + ".settings").Settings
    assert isinstance(found, type)
    assert issubclass(found, ServiceSettings)
    return found


def _manifest(service: str) -> str:
    return (BASE / service / "deployment.yaml").read_text(encoding="utf-8")


def _environment(service: str) -> dict[str, str]:
    """Name and value; "" where it comes from a Secret."""
    pairs = re.findall(r"- name: ([A-Z][A-Z0-9_]+)\n +(?:value: \"([^\"]*)\"|valueFrom:)", _manifest(service))
    return dict(pairs)


@pytest.mark.parametrize("service", SERVICES)
def test_settings_are_known_and_those_that_must_be_set_are(service: str) -> None:
    settings = _settings(service)
    prefix = settings.model_config["env_prefix"]
    given = _environment(service).keys()
    assert given <= {prefix + name.upper() for name in settings.model_fields}
    assert given >= {prefix + n.upper() for n, field in settings.model_fields.items() if field.is_required()}


@pytest.mark.parametrize("service", SERVICES)
def test_every_file_that_is_named_is_mounted_and_every_mount_is_named(service: str) -> None:
    folders = set(re.findall(r"mountPath: (\S+)", _manifest(service))) - {"/tmp"}
    files = {value for value in _environment(service).values() if value.startswith("/")}
    assert files
    assert {str(Path(file).parent) for file in files} == folders


@pytest.mark.parametrize("service", SERVICES)
def test_ports_that_are_opened_are_the_pods(service: str) -> None:
    opened = {value for name, value in _environment(service).items() if name.endswith("_PORT")}
    assert opened == set(re.findall(r"containerPort: (\d+)", _manifest(service)))


@pytest.mark.parametrize("service", SERVICES)
def test_there_is_time_for_the_drain(service: str) -> None:
    found = re.search(r"terminationGracePeriodSeconds: (\d+)", _manifest(service))
    pause = re.search(r"preStop:\n +sleep:\n +seconds: (\d+)", _manifest(service))
    assert found
    assert pause
    drain = next(
        float(value) for name, value in _environment(service).items() if name.endswith("DRAIN_SECONDS")
    )
    assert int(found[1]) > int(pause[1]) + drain


@pytest.mark.parametrize("service", SERVICES)
def test_kubernetes_adds_no_settings_of_its_own(service: str) -> None:
    assert "      enableServiceLinks: false\n" in _manifest(service)


def test_messages_that_are_coming_have_room_in_the_smtp_gateway() -> None:
    # In memory such a message is there twice; the process has 100 MiB besides (measured in a container).
    limit = re.search(r"limits:\n +memory: (\d+)Mi", _manifest("smtp-gateway"))
    assert limit
    coming = int(_environment("smtp-gateway")["SMTP_GATEWAY_INFLIGHT_OCTETS"])
    assert 2 * coming + (100 << 20) < int(limit[1]) << 20
