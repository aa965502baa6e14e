"""What the nightly maintenance finds on an engine: containers whose run is over, leases that nobody uses."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tasks.gpu_leases import leases, take
from tasks.jobs import ContainerCall
from tasks.maintenance.containers import sweep

if TYPE_CHECKING:
    from docker import DockerClient

    from tasks.job_profile import DockerSettings
    from tests.integration.docker.conftest import Runs

LONG = "import time; time.sleep(600)"


def names(engine: DockerClient, settings: DockerSettings) -> set[str]:
    label = f"psgpo.deployment={settings.deployment}"
    found = engine.containers.list(all=True, filters={"label": ["psgpo.job", label]})
    return {one.name.removeprefix(f"{settings.deployment}-") for one in found}


def test_containers_of_runs_that_are_over_go_and_the_others_stay(
    engine: DockerClient, settings: DockerSettings, job: Runs
) -> None:
    for name, code in (("active", LONG), ("orphan", LONG), ("ended", "pass")):
        job(code, name=name).submit()
    live = {f"{settings.deployment}-active"}
    said = list(sweep(engine, settings, lambda: live, take_away=False))
    assert len(said) == 2
    assert all(line.startswith("would remove container") for line in said)
    assert names(engine, settings) == {"active", "orphan", "ended"}
    said = list(sweep(engine, settings, lambda: live, take_away=True))
    assert sorted(line.split()[2] for line in said) == [
        f"{settings.deployment}-ended",
        f"{settings.deployment}-orphan",
    ]
    assert names(engine, settings) == {"active"}
    assert list(sweep(engine, settings, lambda: live, take_away=True)) == []


def test_a_job_that_begins_while_one_looks_is_left_alone(
    engine: DockerClient, settings: DockerSettings, job: Runs
) -> None:
    def live() -> set[str]:
        job(LONG, name="begun").submit()
        return {f"{settings.deployment}-begun"}

    assert list(sweep(engine, settings, live, take_away=True)) == []
    assert names(engine, settings) == {"begun"}


def test_leases_of_jobs_that_are_over_go(engine: DockerClient, settings: DockerSettings, job: Runs) -> None:
    image = str(engine.images.get(settings.image).id)
    for name in ("active", "ended"):
        # the lease is a GPU's; the container goes without one, which this engine need not have
        call = ContainerCall(
            f"{settings.deployment}-{name}", ("true",), {}, 64, 5.0, gpus=1, cpus=1, shm_mb=1
        )
        take(engine, settings, call, image)
        one = job(LONG if name == "active" else "pass", name=name)
        container = one.submit()
        while name == "ended" and one.status(container) != "exited 0":
            time.sleep(0.2)
    both = {f"{settings.deployment}-{name}" for name in ("active", "ended")}
    (said,) = sweep(engine, settings, lambda: both, take_away=True)  # its run goes on, the job is over
    assert said.startswith(f"removed lease {settings.deployment}-gpu-1")
    assert [lease.name for lease in leases(engine, settings.deployment)] == [f"{settings.deployment}-gpu-0"]
