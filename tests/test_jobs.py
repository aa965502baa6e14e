"""A job described once says the same to every runner: command line, environment, limits."""

from __future__ import annotations

import sys

from tasks.jobs import JobSpec, as_process, stage_arguments

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


def test_gpus_are_visible_only_to_jobs_that_ask() -> None:
    assert as_process(spec(gpus=0), SURROUNDINGS).env["CUDA_VISIBLE_DEVICES"] == ""
    assert as_process(spec(gpus=1), SURROUNDINGS).env["CUDA_VISIBLE_DEVICES"] == "0,1"


def test_limits_are_the_specs() -> None:
    call = as_process(spec(), {})
    assert (call.memory_mb, call.timeout_seconds) == (100, 5.0)


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
