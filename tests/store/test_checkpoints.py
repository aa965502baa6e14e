"""Checkpoints are whole or absent, few, and belong to one digest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.errors import BadInput
from tasks.store import Checkpoints, Store


def writer(text: str) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / "state.json").write_text(text)

    return write


@pytest.fixture
def checkpoints(store: Store, tmp_path: Path) -> Checkpoints:
    return Checkpoints(store, "d" * 64, tmp_path / "cache")


def test_the_newest_is_found_and_old_ones_go(checkpoints: Checkpoints) -> None:
    assert checkpoints.latest() is None
    for number in (5, 10, 15):
        checkpoints.save(number, writer(f"step {number}"))
    assert checkpoints.numbers() == [10, 15]
    number, folder = checkpoints.latest() or (0, Path())
    assert (number, (folder / "state.json").read_text()) == (15, "step 15")


def test_all_are_kept_when_asked(checkpoints: Checkpoints) -> None:
    for number in range(4):
        checkpoints.save(number, writer(str(number)), keep=None)
    assert checkpoints.numbers() == [0, 1, 2, 3]


def test_saving_a_number_again_replaces_it(checkpoints: Checkpoints) -> None:
    checkpoints.save(5, writer("before"))
    checkpoints.save(5, writer("after"))
    assert (checkpoints.load(5) / "state.json").read_text() == "after"


def test_a_write_that_fails_leaves_the_previous_one(checkpoints: Checkpoints) -> None:
    checkpoints.save(5, writer("good"))

    def fail(folder: Path) -> None:
        (folder / "state.json").write_text("half")
        raise OSError("no space left on device")

    with pytest.raises(OSError, match="no space"):
        checkpoints.save(6, fail)
    assert checkpoints.numbers() == [5]


def test_clearing_removes_half_written_ones_too(
    checkpoints: Checkpoints, store: Store, tmp_path: Path
) -> None:
    (tmp_path / "weights").write_text("half")
    checkpoints.save(5, writer("whole"))
    store.upload(f"{checkpoints.root}/00000006/weights", tmp_path / "weights")
    assert checkpoints.numbers() == [5]
    checkpoints.clear()
    assert list(store.list(checkpoints.root)) == []


def test_a_damaged_one_is_passed_over(
    checkpoints: Checkpoints, store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoints.save(5, writer("good"))
    checkpoints.save(6, writer("better"))
    (tmp_path / "damage").write_text("wrong")
    store.upload(f"_checkpoints/{'d' * 64}/00000006/state.json", tmp_path / "damage")
    with pytest.raises(BadInput, match=r"state\.json"):
        checkpoints.load(6)
    number, folder = checkpoints.latest() or (0, Path())
    assert (number, (folder / "state.json").read_text()) == (5, "good")
    assert "checkpoint 6 is passed over" in capsys.readouterr().err


def test_other_work_does_not_see_them(checkpoints: Checkpoints, store: Store, tmp_path: Path) -> None:
    checkpoints.save(5, writer("mine"))
    assert Checkpoints(store, "e" * 64, tmp_path / "cache").latest() is None
    checkpoints.clear()
    assert checkpoints.numbers() == []
    assert list(store.list("_checkpoints")) == []
