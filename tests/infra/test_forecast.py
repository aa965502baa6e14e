"""The forecast schedules what is left as Airflow would."""

from __future__ import annotations

from infra.local.forecast import Work, seconds_left

NONE: dict[str, frozenset[str]] = {}


def waiting(task: str, seconds: float, index: int = -1) -> Work:
    return Work(task, index, seconds, running=False)


def test_nothing_left() -> None:
    assert seconds_left([], NONE, 2) == 0


def test_two_slots_share_independent_work() -> None:
    work = [waiting("a", 4), waiting("b", 3), waiting("c", 3)]
    assert seconds_left(work, NONE, 2) == 6  # b then c beside a
    assert seconds_left(work, NONE, 1) == 10


def test_a_chain_is_not_shared() -> None:
    upstream = {"b": frozenset({"a"}), "c": frozenset({"b"})}
    assert seconds_left([waiting("a", 4), waiting("b", 3), waiting("c", 3)], upstream, 2) == 10


def test_running_work_counts_its_rest() -> None:
    work = [Work("a", -1, 1.5, running=True), waiting("b", 3)]
    assert seconds_left(work, {"b": frozenset({"a"})}, 2) == 4.5


def test_more_running_than_slots_is_no_error() -> None:
    work = [Work("a", index, 2.0, running=True) for index in range(3)]
    assert seconds_left(work, NONE, 2) == 2


def test_cells_of_a_group_wait_for_their_own_cell_only() -> None:
    group = {"arms.evaluate": frozenset({"arms.train"}), "report": frozenset({"arms.evaluate"})}
    work = [
        *(waiting("arms.train", seconds, index) for index, seconds in enumerate((1, 9))),
        *(waiting("arms.evaluate", 5, index) for index in range(2)),
        waiting("report", 1),
    ]
    assert seconds_left(work, group, 2) == 15  # cell 0 is evaluated while cell 1 still trains
    outside = {"evaluate": frozenset({"train"}), "report": frozenset({"evaluate"})}
    renamed = [Work(one.task.removeprefix("arms."), one.index, one.seconds, one.running) for one in work]
    assert seconds_left(renamed, outside, 2) == 15  # 9, then both evaluations, then the report


def test_a_circle_ends() -> None:
    assert seconds_left([waiting("a", 1)], {"a": frozenset({"a"})}, 2) == 0
