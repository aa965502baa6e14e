"""A job's container: its lines, its result, its limits; found again by whoever comes after its starter."""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING

import pytest

from tasks.errors import BadInput
from tasks.gpu_leases import leases, release, take
from tasks.job_container import EngineUnreachable, JobContainer
from tasks.job_profile import DockerSettings
from tasks.jobs import ContainerCall

if TYPE_CHECKING:
    from docker import DockerClient

    from tests.integration.docker.conftest import Runs

TALK = """
import json, sys, time
for number in range({lines}):
    print("line", number, file=sys.stderr); time.sleep({pause})
print("noise"); print(json.dumps({{"stage": "toy", "answer": 42}}))
sys.exit({code})
"""


def talk(lines: int = 3, pause: float = 0.0, code: int = 0) -> str:
    return TALK.format(lines=lines, pause=pause, code=code)


def collect(job: JobContainer, container: str, since: str = "") -> tuple[list[str], list[str], object]:
    lines: list[str] = []
    times: list[str] = []
    outcome = job.follow(container, lambda line, at: (lines.append(line), times.append(at))[0], since)
    return lines, times, outcome


def test_lines_result_and_code_come_back_and_nothing_is_left(job: Runs, engine: DockerClient) -> None:
    one = job(talk())
    container = one.submit()
    lines, _, outcome = collect(one, container)
    assert lines == ["line 0", "line 1", "line 2"]
    assert (outcome.code, outcome.stopped) == (0, "")
    assert outcome.envelope == {"stage": "toy", "answer": 42}
    assert one.status(container) == "missing"
    assert engine.volumes.list(filters={"dangling": True, "label": "psgpo.job"}) == []


def test_a_progress_bar_is_one_line_and_the_job_goes_on(job: Runs) -> None:
    """Bars, form feeds and separators of other alphabets end no line."""
    code = r"""
import sys, time
for line in ("before", "weights: 0%\rweights: 50%\rLoading done", "page\x0cline\u2028end", "after"):
    print(line, file=sys.stderr, flush=True); time.sleep(1.5)
"""
    one = job(code)
    lines, times, outcome = collect(one, one.submit())
    assert lines == ["before", "Loading done", "page\x0cline\u2028end", "after"]
    assert times == sorted(times)
    assert outcome.code == 0


@pytest.mark.parametrize("code", [64, 75, 1])
def test_exit_codes_are_the_job_s(job: Runs, code: int) -> None:
    one = job(talk(code=code))
    assert collect(one, one.submit())[2].code == code


def test_who_comes_after_the_starter_finds_the_same_container_and_repeats_no_line(job: Runs) -> None:
    first = job(talk(lines=6, pause=0.5))
    container = first.submit()
    seen: list[tuple[str, str]] = []

    class Died(Exception):
        pass

    def die_after_two(line: str, at: str) -> None:
        seen.append((line, at))
        if len(seen) == 2:
            raise Died

    with pytest.raises(Died):
        first.follow(container, die_after_two)
    second = job(talk(lines=6, pause=0.5))
    assert second.submit() == container
    assert second.status(container) == "running"
    lines, _, outcome = collect(second, container, since=seen[-1][1])
    assert [line for line, _ in seen] + lines == [f"line {number}" for number in range(6)]
    assert outcome.envelope == {"stage": "toy", "answer": 42}


def test_a_job_that_ended_well_unseen_is_not_run_again(job: Runs) -> None:
    container = job(talk()).submit()
    while job(talk()).status(container) != "exited 0":
        time.sleep(0.2)
    late = job(talk())
    assert late.submit() == container
    assert late.outcome(container).envelope == {"stage": "toy", "answer": 42}


def test_other_work_under_the_same_name_is_not_taken_for_this(job: Runs) -> None:
    container = job(talk(lines=100, pause=1)).submit()
    other = job(talk(lines=1))
    assert other.submit() != container
    assert other.status(container) == "missing"


def test_a_killed_container_is_told_and_the_next_try_is_a_fresh_one(job: Runs, engine: DockerClient) -> None:
    one = job(talk(lines=100, pause=1))
    container = one.submit()
    threading.Timer(1.0, engine.containers.get(container).kill).start()
    outcome = collect(one, container)[2]
    assert outcome.code == 137
    assert job(talk(lines=100, pause=1)).submit() != container


def test_more_memory_than_the_limit_is_named(job: Runs) -> None:
    one = job("data = bytearray(1 << 30)", memory_mb=64)
    outcome = collect(one, one.submit())[2]
    assert outcome.stopped == "memory: more than its limit of 64 MB was needed"


def test_less_memory_than_the_limit_is_not(job: Runs) -> None:
    one = job("data = bytearray(100 << 20)", memory_mb=256)
    assert collect(one, one.submit())[2].stopped == ""


def test_time_is_up_and_the_job_can_save_first(job: Runs) -> None:
    code = "import signal, sys, time\nsignal.signal(15, lambda *_: sys.exit(75))\ntime.sleep(600)"
    one = job(code, timeout_seconds=2.0)
    outcome = collect(one, one.submit())[2]
    assert (outcome.stopped, outcome.code) == ("timeout: not done after 2 s", 75)


def test_a_stop_reaches_the_job(job: Runs) -> None:
    one = job("import signal, sys, time\nsignal.signal(15, lambda *_: sys.exit(75))\ntime.sleep(600)")
    container = one.submit()
    threading.Timer(1.5, one.stop, ["the task was stopped"]).start()
    outcome = collect(one, container)[2]
    assert (outcome.stopped, outcome.code) == ("the task was stopped", 75)


def test_a_wrong_image_is_named_in_one_line(job: Runs, settings: DockerSettings) -> None:
    wrong = DockerSettings("psgpo/trainer:no-such", settings.networks, settings.deployment)
    with pytest.raises(
        BadInput, match=r"PSGPO_JOB_IMAGE: the engine has no image 'psgpo/trainer:no-such'"
    ) as raised:
        job(talk(), given=wrong).submit()
    assert "\n" not in str(raised.value)


def test_a_wrong_network_is_named_in_one_line(job: Runs, settings: DockerSettings) -> None:
    wrong = DockerSettings(settings.image, ("no-such-network",), settings.deployment)
    with pytest.raises(EngineUnreachable, match="no-such-network") as raised:
        job(talk(), given=wrong).submit()
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("address", ["unix:///nonexistent.sock", "tcp://127.0.0.1:9"])
def test_an_unreachable_engine_is_named_in_one_line(
    address: str, monkeypatch: pytest.MonkeyPatch, settings: DockerSettings
) -> None:
    monkeypatch.setenv("DOCKER_HOST", address)
    call = ContainerCall("x", ("true",), {}, 64, 5.0, gpus=0, cpus=1, shm_mb=1)
    with pytest.raises(EngineUnreachable, match="cannot be reached") as raised:
        JobContainer(call, settings)
    assert "\n" not in str(raised.value)
    assert address in str(raised.value)


def gpu_call(settings: DockerSettings, name: str, gpus: int = 1, seconds: float = 0.0) -> ContainerCall:
    name = f"{settings.deployment}-{name}"
    return ContainerCall(name, ("true",), {}, 64, seconds, gpus=gpus, cpus=1, shm_mb=1)


def test_two_jobs_never_hold_one_gpu(engine: DockerClient, settings: DockerSettings) -> None:
    image = str(engine.images.get(settings.image).id)
    held: list[tuple[str, ...]] = []
    start = threading.Barrier(4)

    def want(number: int) -> None:
        start.wait()
        try:
            held.append(take(engine, settings, gpu_call(settings, f"job-{number}"), image))
        except TimeoutError:
            held.append(())

    threads = [threading.Thread(target=want, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    devices = [device for one in held for device in one]
    assert len(held) == 4
    assert sorted(devices) == ["0", "1"]


def test_a_lease_is_kept_by_its_job_given_back_and_not_halved(
    engine: DockerClient, settings: DockerSettings
) -> None:
    image = str(engine.images.get(settings.image).id)
    mine = gpu_call(settings, "mine")
    assert take(engine, settings, mine, image) == ("0",)
    assert take(engine, settings, mine, image) == ("0",)  # asked again, as after a restart
    with pytest.raises(TimeoutError, match="GPUs 0, 1"):
        take(engine, settings, gpu_call(settings, "greedy", gpus=2), image)
    assert len(leases(engine, settings.deployment)) == 1  # nothing of the greedy one's
    release(engine, settings, mine.name)
    assert take(engine, settings, gpu_call(settings, "greedy", gpus=2), image) == ("0", "1")


def test_a_lease_whose_job_has_ended_is_taken_over(
    engine: DockerClient, settings: DockerSettings, job: Runs
) -> None:
    image = str(engine.images.get(settings.image).id)
    ended = job("pass", name="ended")
    take(engine, settings, gpu_call(settings, "ended", gpus=2), image)
    container = ended.submit()
    while ended.status(container) != "exited 0":
        time.sleep(0.2)
    assert take(engine, settings, gpu_call(settings, "next"), image) == ("0",)


def test_an_envelope_has_to_be_an_object(job: Runs) -> None:
    one = job(f"print({json.dumps('[1, 2]')})")
    assert collect(one, one.submit())[2].envelope is None
