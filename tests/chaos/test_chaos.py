"""A short, seeded part of `make chaos`: real faults, and that the counting can fail."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.__main__ import STAGES
from tests.chaos import __main__ as main
from tests.chaos import readers, store_faults, tracking_faults
from tests.chaos.bombs import bombs, refused
from tests.chaos.calls import CALLS
from tests.chaos.kills import Killing
from tests.chaos.scene import Scene
from tests.chaos.tally import Tally, table

SEED = 20
KILLED = ("problems", "benchmark", "model", "sft")


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, mlflow_server: str) -> Iterator[Scene]:
    scene = Scene(tmp_path_factory.mktemp("chaos"), SEED, 1)
    scene.__dict__["mlflow"] = mlflow_server  # the session's, not one more
    with scene.closing:
        yield scene


def test_a_killed_stage_ends_as_if_nothing_had_been(scene: Scene) -> None:
    killing, tally = Killing(scene.folder / "kills", scene.zygote, scene.mlflow), Tally("SIGKILL")
    for call in CALLS:
        if call.name in KILLED:
            killing.undisturbed(call)
            killing.kill(call, SEED, tally)
    assert tally.kept, tally
    assert tally.injected == tally.completed == len(KILLED)


def test_every_stage_is_among_those_that_are_killed() -> None:
    assert {call.stage for call in CALLS} == set(STAGES)


def test_the_store_loses_nothing_whatever_happens_to_it(scene: Scene) -> None:
    tallies = list(store_faults.faults(scene))
    assert [tally for tally in tallies if not tally.kept] == []
    assert len(tallies) == 10


def test_an_unwell_tracking_server_gets_every_point_once(scene: Scene) -> None:
    tally = tracking_faults.on_a_faulty_way(scene, scene.mlflow)
    assert tally.kept, tally


@pytest.mark.parametrize("reader", readers.READERS, ids=lambda reader: reader.name)
@settings(
    max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None
)
@given(generator=st.randoms(use_true_random=False))
def test_spoiled_input_is_read_or_refused_by_name(
    reader: readers.Reader, tmp_path_factory: pytest.TempPathFactory, generator: random.Random
) -> None:
    assert reader.check(generator, tmp_path_factory.mktemp("spoiled")) in ("read", "refused")


@pytest.mark.parametrize("reader", readers.READERS, ids=lambda reader: reader.name)
def test_what_is_not_spoiled_is_read_and_most_of_what_is_refused(
    reader: readers.Reader, tmp_path: Path
) -> None:
    outcomes = [reader.check(random.Random(seed), tmp_path) for seed in range(20)]
    assert outcomes.count("refused") > 5


def test_bombs_links_and_names_that_lead_elsewhere_are_refused(tmp_path: Path) -> None:
    problems = {what: refused(read, names) for what, read, names in bombs(tmp_path)}
    assert [f"{what}: {problem}" for what, problem in problems.items() if problem] == []
    assert len(problems) == 10
    assert refused(lambda: None, "anything") == "it was read"


def test_a_reader_that_crashes_is_found(tmp_path: Path) -> None:
    reader = readers.READERS[0]
    broken = readers.Reader("broken", reader.spoil, lambda path: {}["missing"], str)
    with pytest.raises(KeyError):
        broken.check(random.Random(0), tmp_path)
    unnamed = readers.Reader("unnamed", reader.spoil, reader.read, lambda path: "elsewhere")
    with pytest.raises(AssertionError, match="not named"):
        unnamed.check(random.Random(1), tmp_path)


def test_the_tally_counts_what_is_lost_twice_and_wrong() -> None:
    tally = Tally("fault", injected=1)
    assert tally.kept
    tally.compare(["a", "b", "c"], ["a", "a", "c", "d"], "letters")
    assert (tally.lost, tally.duplicated, tally.wrong) == (1, 1, 1)
    assert not tally.kept
    assert not Tally("never injected").kept
    assert "| fault | 1 | 0 | 1 | 1 | 1 |" in table([tally])


def test_a_part_that_breaks_off_is_a_broken_promise(monkeypatch: pytest.MonkeyPatch) -> None:
    """And what it had found before is kept."""

    def faults(scene: object) -> Iterator[Tally]:
        yield Tally("well", injected=1, completed=1)
        raise OSError("no such server")

    monkeypatch.setattr(main, "import_module", lambda name: SimpleNamespace(faults=faults))
    well, broken = main._of_part("store", None)  # type: ignore[arg-type]
    assert well.kept
    assert not broken.kept
    assert "no such server" in broken.notes[0]
