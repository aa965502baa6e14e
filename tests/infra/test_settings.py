"""Ports and folders come from the environment, and a taken port is named with its variable."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from infra.local.environment import admin_password, stack_environment
from infra.local.settings import ROOT, Settings, read_settings
from tasks.errors import BadInput
from tasks.jobs import JobSpec, as_process


def test_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("AIRFLOW_PORT", "MLFLOW_PORT", "PSGPO_STATE"):
        monkeypatch.delenv(variable, raising=False)
    assert read_settings() == Settings(ROOT / ".state", 8080, 5001)


@pytest.mark.parametrize("value", ["x", "80", "70000", "-1"])
def test_an_impossible_port_is_named(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_PORT", value)
    with pytest.raises(BadInput, match="MLFLOW_PORT"):
        read_settings()


@pytest.mark.parametrize("variable", ["AIRFLOW_PORT", "MLFLOW_PORT"])
def test_a_taken_port_is_named_with_its_variable(
    variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as free, socket.socket() as taken:
        free.bind(("127.0.0.1", 0))
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ports = {"AIRFLOW_PORT": free.getsockname()[1], "MLFLOW_PORT": free.getsockname()[1]}
        ports[variable] = taken.getsockname()[1]
        free.close()
        for name, port in ports.items():
            monkeypatch.setenv(name, str(port))
        monkeypatch.setenv("PSGPO_STATE", str(tmp_path))
        command = [sys.executable, "-m", "infra.local", "up"]
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 64
    assert done.stderr == (
        f"error: port {ports[variable]}: is taken by another program; allowed: a free port in the variable {variable}\n"
    )


def test_secrets_are_made_once_and_are_this_users_only(tmp_path: Path) -> None:
    settings = Settings(tmp_path, 8080, 5001)
    password = admin_password(settings)
    assert admin_password(settings) == password
    assert admin_password(Settings(tmp_path / "other", 8080, 5001)) != password
    environment = stack_environment(settings)
    assert len(environment["AIRFLOW__API_AUTH__JWT_SECRET"]) >= 64
    for name in ("passwords.json", "jwt_secret", "api_secret"):
        assert (settings.airflow_home / name).stat().st_mode & 0o077 == 0


def test_the_users_own_airflow_and_mlflow_settings_stay_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "CeleryExecutor")
    monkeypatch.setenv("AIRFLOW_CONN_X", "postgres://")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://example.org")
    environment = stack_environment(Settings(tmp_path, 8080, 5001))
    assert environment["AIRFLOW__CORE__EXECUTOR"] == "LocalExecutor"
    assert environment["MLFLOW_TRACKING_URI"] == "http://127.0.0.1:5001"
    assert "AIRFLOW_CONN_X" not in environment


def test_addresses_of_notices_reach_the_scheduler_and_no_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTICE_EMAIL", "smtp://user:secret@host")
    monkeypatch.setenv("NOTICE_WEBHOOK", "")
    monkeypatch.setenv("NOTICED", "something else")
    environment = stack_environment(Settings(tmp_path, 8080, 5001))
    assert environment["AIRFLOW_CONN_PSGPO_NOTICE_EMAIL"] == "smtp://user:secret@host"
    assert "AIRFLOW_CONN_PSGPO_NOTICE_WEBHOOK" not in environment
    job = as_process(JobSpec("sft", (), 100, 1.0), environment).env
    assert "smtp://user:secret@host" not in job.values()
    assert job["NOTICED"] == "something else"
