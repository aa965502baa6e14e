"""`docker-compose.yml` and `.env.example` keep the rules of `compose_rules.py`, and each rule can be broken."""

from __future__ import annotations

import copy
import shutil
import subprocess
from base64 import urlsafe_b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.containers.compose_rules import VARIABLE, faults, services

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docker-compose.yml").read_text()
Services = dict[str, dict[str, Any]]


@pytest.fixture
def document() -> dict[str, Any]:
    return copy.deepcopy(yaml.safe_load(TEXT))


def example() -> dict[str, str]:
    lines = (ROOT / ".env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def test_it_keeps_the_rules(document: dict[str, Any]) -> None:
    assert faults(document) == []


def test_it_has_the_services_and_profiles_it_should(document: dict[str, Any]) -> None:
    always = {name for name, service in services(document).items() if "profiles" not in service}
    assert always == {
        *("postgres", "store", "store-init", "mlflow", "sandbox", "broker", "trainer-image"),
        *("airflow-init", "airflow-api-server", "airflow-scheduler", "airflow-dag-processor"),
        "airflow-triggerer",
    }
    profiles = {p for service in services(document).values() for p in service.get("profiles", ())}
    assert profiles == {"gpu", "observability", "celery"}


def test_messages_open_a_way_out_for_two_services_and_change_nothing_else(document: dict[str, Any]) -> None:
    override = yaml.safe_load((ROOT / "infra/compose/notices.yml").read_text())
    assert set(override) == {"services"}
    opened = {"airflow-dag-processor", "airflow-scheduler"}
    assert set(override["services"]) == opened
    for name, service in override["services"].items():
        assert set(service) == {"networks"}
        assert set(service["networks"]) == {*services(document)[name]["networks"], "front"}
        services(document)[name]["networks"] = service["networks"]
    # the rules see what it opens, and that it is no more than that
    assert {fault.split()[0] for fault in faults(document)} == opened


BREAKS: dict[str, Callable[[Services], object]] = {
    "no whole health check": lambda s: s["mlflow"].pop("healthcheck"),
    "nothing that stays waits for it": lambda s: s["airflow-scheduler"]["depends_on"].pop("trainer-image"),
    "not service_healthy": lambda s: s["mlflow"]["depends_on"].update(
        postgres={"condition": "service_started"}
    ),
    "to be None": lambda s: s["mlflow"].update(depends_on=["postgres"]),
    "has the image postgres:latest": lambda s: s["postgres"].update(image="postgres:latest"),
    "has the image postgres": lambda s: s["postgres"].update(image="postgres"),
    "publishes 8080:8080": lambda s: s["airflow-api-server"].update(ports=["8080:8080"]),
    "publishes 0.0.0.0:": lambda s: s["mlflow"].update(ports=["0.0.0.0:5001:5000"]),
    "has a way out through": lambda s: s["sandbox"].update(networks=["programs", "front"]),
    "is in the default network": lambda s: s["store"].pop("networks"),
    "keeps capabilities": lambda s: s["sandbox"].pop("cap_drop"),
    "is privileged": lambda s: s["sandbox"].update(privileged=True),
    "has the engine's socket": lambda s: s["airflow-scheduler"].update(
        volumes=["/var/run/docker.sock:/var/run/docker.sock"]
    ),
    "programs holds": lambda s: s["store"].update(networks=["jobs", "programs"]),
    "engine holds": lambda s: s["airflow-dag-processor"].update(networks=["database", "engine"]),
    "airflow-dag-processor knows ": lambda s: s["airflow-dag-processor"].update(
        environment=s["airflow-scheduler"]["environment"]
    ),
    "has a value for POSTGRES_PASSWORD": lambda s: s["postgres"]["environment"].update(POSTGRES_PASSWORD="x"),
}


@pytest.mark.parametrize("fault", BREAKS)
def test_a_broken_rule_is_seen(document: dict[str, Any], fault: str) -> None:
    BREAKS[fault](document["services"])
    assert any(fault in found for found in faults(document))


def test_a_way_out_of_the_jobs_network_is_seen(document: dict[str, Any]) -> None:
    document["networks"]["jobs"].pop("internal")
    assert "jobs has a way out" in faults(document)


def test_the_example_names_every_variable_and_no_other() -> None:
    used = {name for name, _, _ in VARIABLE.findall(TEXT)}
    assert set(example()) == used


def test_secrets_of_the_example_differ_and_have_no_default_in_the_file() -> None:
    secrets = {name: value for name, value in example().items() if "change-me" in value or "FERNET" in name}
    assert len(secrets) == len(set(secrets.values())) >= 15
    with_default = {name for name, kind, _ in VARIABLE.findall(TEXT) if kind == "-"}
    assert with_default & set(secrets) == set()
    assert len(secrets["AIRFLOW_JWT_SECRET"]) >= 64
    assert len(secrets["MLFLOW_ADMIN_PASSWORD"]) >= 12


def test_the_commands_of_the_guide_fill_in_every_secret(tmp_path: Path) -> None:
    """Step 2 of docs/deploy.md, but for the line that asks for the engine's socket."""
    step = (ROOT / "docs/deploy.md").read_text().split("\n2. ")[1].split("\n3. ")[0]
    commands = [
        line.strip() for line in step.splitlines() if line.startswith("       ") and "stat -c" not in line
    ]
    assert len(commands) == 3
    shutil.copy(ROOT / ".env.example", tmp_path)
    done = subprocess.run(["sh", "-ec", "\n".join(commands)], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    lines = [
        line for line in (tmp_path / ".env").read_text().splitlines() if line and not line.startswith("#")
    ]
    filled = dict(line.split("=", 1) for line in lines)
    assert filled.keys() == example().keys()
    changed = {name: value for name, value in filled.items() if value != example()[name]}
    assert set(changed) == {
        name for name, value in example().items() if "change-me" in value or "FERNET" in name
    }
    assert {len(value) for name, value in changed.items() if "FERNET" not in name} == {64}
    assert len(urlsafe_b64decode(changed["AIRFLOW_FERNET_KEY"].strip("'"))) == 32
    assert len(set(changed.values())) == len(changed)


def compose() -> list[str] | None:
    if shutil.which("docker"):
        asked = subprocess.run(["docker", "compose", "version"], capture_output=True)
        if asked.returncode == 0:
            return ["docker", "compose"]
    return ["docker-compose"] if shutil.which("docker-compose") else None


def checked(file: Path) -> subprocess.CompletedProcess[str]:
    command = compose()
    if command is None:
        pytest.skip("no docker compose on this machine")
    arguments = ["--project-directory", str(ROOT), "--env-file", str(ROOT / ".env.example"), "-f", str(file)]
    return subprocess.run([*command, *arguments, "config", "--quiet"], capture_output=True, text=True)


def test_compose_accepts_it() -> None:
    done = checked(ROOT / "docker-compose.yml")
    assert (done.returncode, done.stderr.strip()) == (0, "")


def test_compose_refuses_what_its_specification_does_not_know(tmp_path: Path) -> None:
    (tmp_path / "broken.yml").write_text(TEXT.replace("pids_limit:", "pid_limit:"))
    assert checked(tmp_path / "broken.yml").returncode != 0


@pytest.mark.parametrize("missing", ["AIRFLOW_FERNET_KEY", "POSTGRES_PASSWORD", "S3_TRAINER_SECRET"])
def test_it_does_not_start_without_a_secret(missing: str, tmp_path: Path) -> None:
    command = compose()
    if command is None:
        pytest.skip("no docker compose on this machine")
    lines = (ROOT / ".env.example").read_text().splitlines()
    (tmp_path / "env").write_text("\n".join(line for line in lines if not line.startswith(missing)))
    arguments = ["--project-directory", str(ROOT), "--env-file", str(tmp_path / "env")]
    arguments += ["-f", str(ROOT / "docker-compose.yml"), "config", "--quiet"]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True)
    assert done.returncode != 0
    assert missing in done.stderr
