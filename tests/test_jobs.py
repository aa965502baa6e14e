"""A job described once says the same to every runner: command line, environment, limits."""

from __future__ import annotations

import sys

import pytest

from tasks.__main__ import STAGES
from tasks.forecast import SLOTS_VARIABLE
from tasks.jobs import ROLES, JobSpec, as_container, as_process, role_of, stage_arguments

SURROUNDINGS = {
    "PATH": "/bin",
    "AIRFLOW__API_AUTH__JWT_SECRET": "secret",
    "AIRFLOW_HOME": "/airflow",
    "_AIRFLOW_PROCESS_CONTEXT": "client",
    "CUDA_VISIBLE_DEVICES": "0,1",
}


def spec(**changes: object) -> JobSpec:
    return JobSpec(
        **{
            "stage": "sft",
            "argv": ("--store", "file:///s"),
            "memory_mb": 100,
            "timeout_seconds": 5.0,
            **changes,
        }
    )


def test_command_line_is_the_stage_by_hand() -> None:
    assert as_process(spec(), {}).argv == (sys.executable, "-m", "tasks", "sft", "--store", "file:///s")


def test_nothing_of_airflows_reaches_a_job() -> None:
    env = as_process(spec(env={"PSGPO_PARENT_RUN": "run"}), SURROUNDINGS).env
    assert not [name for name in env if "AIRFLOW" in name]
    assert env["PATH"] == "/bin"
    assert env["PSGPO_PARENT_RUN"] == "run"


def test_the_plan_knows_how_many_jobs_run_at_once() -> None:
    """It is a job itself: what is hidden from jobs, it would not see."""
    assert as_process(spec(), {SLOTS_VARIABLE: "2"}).env[SLOTS_VARIABLE] == "2"


def test_gpus_are_visible_only_to_jobs_that_ask() -> None:
    assert as_process(spec(gpus=0), SURROUNDINGS).env["CUDA_VISIBLE_DEVICES"] == ""
    assert as_process(spec(gpus=1), SURROUNDINGS).env["CUDA_VISIBLE_DEVICES"] == "0,1"


def test_limits_are_the_specs() -> None:
    call = as_process(spec(), {})
    assert (call.memory_mb, call.timeout_seconds) == (100, 5.0)


JOB_SURROUNDINGS = {
    **SURROUNDINGS,
    "PSGPO_JOB_ENV__MLFLOW_TRACKING_PASSWORD": "everyone's",
    "PSGPO_JOB_ENV_TRAINER__AWS_SECRET_ACCESS_KEY": "trainer's",
    "PSGPO_JOB_ENV_PROMOTER__AWS_SECRET_ACCESS_KEY": "promoter's",
}


@pytest.mark.parametrize("gpus", [0, 1])
def test_both_runners_say_the_same(gpus: int) -> None:
    one = spec(gpus=gpus, env={"PSGPO_PARENT_RUN": "run"}, cpus=3)
    process, container = as_process(one, JOB_SURROUNDINGS), as_container(one, "name", JOB_SURROUNDINGS)
    assert process.argv[1:] == container.argv[1:]
    assert (process.memory_mb, process.timeout_seconds) == (container.memory_mb, container.timeout_seconds)
    both = {"PSGPO_PARENT_RUN": "run", "OMP_NUM_THREADS": "3", "OMP_WAIT_POLICY": "PASSIVE"}
    both |= {} if gpus else {"CUDA_VISIBLE_DEVICES": ""}
    assert both.items() <= process.env.items()
    assert both.items() <= container.env.items()
    assert (container.gpus, container.cpus) == (gpus, 3)


def test_a_container_knows_its_own_role_s_secrets_and_nothing_of_its_surroundings() -> None:
    env = as_container(spec(), "name", JOB_SURROUNDINGS).env
    assert env["AWS_SECRET_ACCESS_KEY"] == "trainer's"
    assert env["MLFLOW_TRACKING_PASSWORD"] == "everyone's"
    assert "PATH" not in env
    assert not [name for name in env if "AIRFLOW" in name or "PSGPO_JOB" in name]
    assert (
        as_container(spec(stage="plan"), "name", JOB_SURROUNDINGS).env["AWS_SECRET_ACCESS_KEY"]
        == "promoter's"
    )


def test_the_runner_s_secrets_reach_no_process_and_no_text() -> None:
    assert not [name for name in as_process(spec(), JOB_SURROUNDINGS).env if name.startswith("PSGPO_JOB_")]
    assert "trainer's" not in repr(as_container(spec(), "name", JOB_SURROUNDINGS))


def test_every_stage_has_one_role() -> None:
    # clearing away is no stage
    assert {role_of(stage) for stage in STAGES} | {role_of("maintain")} == set(ROLES)
    names = [name for members in ROLES.values() for name in members]
    assert len(names) == len(set(names))


def test_stage_arguments_repeat_what_is_given_several_times() -> None:
    argv = stage_arguments(
        config="demo",
        overrides=("ppo.steps=2", "cell.arm=rl"),
        inputs={"scores": ("a", "b"), "prm": ()},
        store="file:///s",
        label="report",
    )
    assert argv == (
        *("--config", "demo", "--set", "ppo.steps=2", "--set", "cell.arm=rl"),
        *("--input", "scores=a", "--input", "scores=b", "--store", "file:///s", "--label", "report"),
    )
