"""The environment of the stack's processes: all configuration of Airflow and MLflow is here, none in files.

What is not obvious is said where it is set; the times were measured with `make demo` on two cores.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
from importlib.metadata import version
from pathlib import Path

from infra.airflow_objects import NOTICES, connections
from infra.local.settings import ROOT, Settings

ADMIN = "admin"
JOB_SLOTS = 2
DATABASE_SECONDS = 60  # how long a component waits for another one's write


def stack_environment(settings: Settings) -> dict[str, str]:
    """Environment for every component; jobs inherit it from Airflow's workers."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AIRFLOW", "MLFLOW_", "PSGPO_", *NOTICES))
    }
    return inherited | _common(settings) | _airflow(settings) | _mlflow(settings)


def needs_migration(settings: Settings) -> bool:
    """Migrating takes 6 s even where there is nothing to do, so it is done once per Airflow version."""
    marker, database = _migration_marker(settings), settings.airflow_home / "airflow.db"
    return not database.exists() or not marker.exists() or marker.read_text() != version("apache-airflow")


def record_migration(settings: Settings) -> None:
    _migration_marker(settings).write_text(version("apache-airflow"))


def admin_password(settings: Settings) -> str:
    """Made on first use; only this user can read it."""
    return json.loads(
        _secret_file(settings, "passwords.json", json.dumps({ADMIN: secrets.token_urlsafe(12)}))
    )[ADMIN]


def _common(settings: Settings) -> dict[str, str]:
    return {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
        # Two jobs of one thread each use two cores; more threads than cores can hang for minutes.
        "OMP_NUM_THREADS": "1",
        "OMP_WAIT_POLICY": "PASSIVE",
        "TOKENIZERS_PARALLELISM": "false",
        "PSGPO_STORE": settings.store_uri,
        "PSGPO_CACHE": str(settings.state / "cache"),
        "PSGPO_REVISION": settings.revision,
        "PSGPO_AIRFLOW_UI": settings.airflow_uri,
        "PSGPO_SLOTS": str(JOB_SLOTS),
    }


def _airflow(settings: Settings) -> dict[str, str]:
    home = settings.airflow_home
    options = {
        "core": {
            "executor": "LocalExecutor",
            # Worker processes: two jobs, and room for a short task beside them.
            "parallelism": 4,
            "dags_folder": settings.dags,
            "load_examples": False,
            "dags_are_paused_at_creation": False,
            "execution_api_server_url": f"{settings.airflow_uri}/execution/",
            "simple_auth_manager_users": f"{ADMIN}:admin",
            "simple_auth_manager_passwords_file": home / "passwords.json",
        },
        "api": {
            "host": "127.0.0.1",
            "port": settings.airflow_port,
            "base_url": settings.airflow_uri,
            "workers": 1,
            "secret_key": _secret_file(settings, "api_secret", secrets.token_hex(32)),
            "expose_config": False,
        },
        "api_auth": {"jwt_secret": _secret_file(settings, "jwt_secret", secrets.token_hex(64))},
        "database": {
            # One process writes at a time. Waiting 5 s for the others, as is the default, fails on a busy machine.
            "sql_alchemy_conn": f"sqlite:///{home / 'airflow.db'}?timeout={DATABASE_SECONDS}",
            # Each component would check for itself, 1 s each; `needs_migration` has.
            "check_migrations": False,
        },
        # A file that changes is read within 10 s all the same; reading all of them twice a minute takes a tenth of a core.
        "dag_processor": {"refresh_interval": 10, "parsing_processes": 1, "min_file_process_interval": 120},
        "logging": {
            "base_log_folder": home / "logs",
            "dag_processor_child_process_log_directory": home / "logs/dags",
        },
        # A short task otherwise holds its slot for 5 s.
        "workers": {"min_heartbeat_interval": 1},
        # Looking four times a second, the scheduler takes a quarter of a core from the jobs.
        "scheduler": {"enable_health_check": False, "scheduler_idle_sleep_time": 1.5},
        "usage_data_collection": {"enabled": False},
    }
    # How tasks write the note of their run. Jobs do not get it: nothing of Airflow's is passed on to them.
    login = f"{ADMIN}:{admin_password(settings)}"
    connection = f"http://{login}@127.0.0.1:{settings.airflow_port}"
    # What tells of late runs can read no other connections (dags/notices.py).
    known = {"psgpo_airflow": connection, **connections(os.environ)}
    named = {f"AIRFLOW_CONN_{name.upper()}": address for name, address in known.items()}
    return {"AIRFLOW_HOME": str(home), **named} | {
        f"AIRFLOW__{section.upper()}__{name.upper()}": str(value)
        for section, values in options.items()
        for name, value in values.items()
    }


def _mlflow(settings: Settings) -> dict[str, str]:
    return {
        "MLFLOW_TRACKING_URI": settings.mlflow_uri,
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "SCARF_ANALYTICS": "false",
        "GIT_PYTHON_REFRESH": "quiet",
    }


def _secret_file(settings: Settings, name: str, fresh: str) -> str:
    """The content of a file only this user can read, written with `fresh` when it does not exist."""
    path = settings.airflow_home / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(fresh)
    return path.read_text()


def _migration_marker(settings: Settings) -> Path:
    return settings.airflow_home / "migrated"
