"""The laptop's compose file: its services fit each other, the image and the configuration, and reach nobody else."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Any

import pytest
import yaml

from tests.support.dockerfile import DEPLOY, stages
from watcher.cli import cli
from watcher.cli.configuration import parse
from watcher.config.document import Document
from watcher.simulator.generator import generate
from watcher.util.units import parse_duration

COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, Any] = COMPOSE["services"]
FINAL = stages((DEPLOY / "Dockerfile").read_text(encoding="utf-8"))[-1]

SERVICE_KEYS = {
    "build": dict, "cap_drop": list, "command": list, "depends_on": list, "environment": dict, "healthcheck": dict,
    "image": str, "network_mode": str, "ports": list, "read_only": bool, "restart": str, "security_opt": list,
    "stop_grace_period": str, "volumes": list,
}  # fmt: skip
"""What the compose specification has of a service, as far as it is used here, and of which type."""


def configuration(**environment: str) -> Any:
    text = (DEPLOY / "compose" / "watcher.yaml").read_bytes()
    return parse(Document("watcher.yaml", text), environment, lambda _: None)


def parameters(name: str) -> dict[str, Any]:
    """What a service's command means to the command line; click refuses what it does not know."""
    command = [str(word) for word in SERVICES[name]["command"]]
    context = cli.make_context("watcher", list(command))
    word, found, rest = cli.resolve_command(context, list(command))
    assert found
    return {"command": word, **found.make_context(word, list(rest)).params}


def test_it_has_what_the_compose_specification_knows_in_the_types_that_it_wants() -> None:
    assert COMPOSE.keys() == {"name", "x-confined", "services", "volumes"}
    for name, service in SERVICES.items():
        for key, value in service.items():
            assert isinstance(value, SERVICE_KEYS[key]), f"{name}.{key}"
    for service in SERVICES.values():
        assert all(isinstance(word, str) for word in service["command"])


@pytest.mark.parametrize("name", SERVICES)
def test_each_service_is_the_image_confined(name: str) -> None:
    service = SERVICES[name]
    assert service["build"] == {"context": "..", "dockerfile": "deploy/Dockerfile"}
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "user" not in service  # the image's own, which is nobody


def test_the_daemon_lives_where_the_stand_in_listens_on_loopback() -> None:
    assert SERVICES["watcher"]["network_mode"] == "service:aws"
    assert SERVICES["watcher"]["depends_on"] == ["aws"]
    stand_in = parameters("aws")
    assert stand_in["command"] == "simulate"
    assert ip_address(stand_in["host"]).is_loopback
    (account,) = configuration(WATCHER_TOKEN="a-token-of-mine").accounts.values()
    assert account.endpoint_url == f"http://{stand_in['host']}:{stand_in['port']}"


def test_the_stand_in_knows_everything_that_the_daemon_watches() -> None:
    known = {target.identity for target in generate(parameters("aws")["seed"]).targets()}
    assert {target.identity for target in configuration(WATCHER_TOKEN="a-token-of-mine").targets} <= known


def test_the_page_is_published_to_this_machine_only_and_asks_for_the_token() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]
    http = configuration(WATCHER_TOKEN="a-token-of-mine").http
    assert published == [f"127.0.0.1:{http.port}:{http.port}"]
    assert "ports" in SERVICES["aws"]  # whose network it is
    assert not ip_address(http.host).is_loopback
    assert http.token.get_secret_value() == "a-token-of-mine"
    assert http.insecure is False


def test_the_daemon_is_given_every_variable_that_its_configuration_names() -> None:
    text = (DEPLOY / "compose" / "watcher.yaml").read_text(encoding="utf-8")
    assert set(re.findall(r"\$\{([A-Z_]+)", text)) <= SERVICES["watcher"]["environment"].keys()


def test_the_configuration_is_mounted_as_a_folder_that_is_read_only_and_the_state_as_a_volume() -> None:
    mounts = [tuple(mount.split(":")) for mount in SERVICES["watcher"]["volumes"]]
    assert mounts == [("./compose", "/etc/watcher", "ro"), ("state", FINAL.last("VOLUME").words[0])]
    assert COMPOSE["volumes"].keys() == {"state"}
    name = SERVICES["watcher"]["environment"]["WATCHER_CONFIG"]
    assert name == "/etc/watcher/watcher.yaml"
    assert (DEPLOY / "compose" / "watcher.yaml").is_file()
    assert (
        configuration(WATCHER_TOKEN="a-token-of-mine").state == f"sqlite:///{FINAL.last('VOLUME').words[0]}/watcher.db"
    )


def test_docker_waits_for_longer_than_the_daemon_takes_to_stop() -> None:
    assert parameters("watcher")["command"] == "run"
    grace = configuration(WATCHER_TOKEN="a-token-of-mine").shutdown_grace
    assert parse_duration(SERVICES["watcher"]["stop_grace_period"]) > grace + 5


def test_only_the_daemon_is_asked_for_its_health() -> None:
    assert SERVICES["aws"]["healthcheck"] == {"disable": True}
    assert "healthcheck" not in SERVICES["watcher"]
