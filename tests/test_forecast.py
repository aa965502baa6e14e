"""What a run will cost: which jobs are done, what the others take, and when the last of them ends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tasks.__main__ import main
from tasks.costs import SHIPPED_RATES, Costs, Record, read_costs
from tasks.forecast import STARTING_SECONDS, forecast, told, wall_seconds
from tasks.pipeline import PlannedJob, training_jobs
from tasks.profiles import load_config
from tasks.store import open_store

RL = {"arm": "rl", "seed": 0, "label": "rl/seed0", "needs_prm": False}
PSGPO = {"arm": "psgpo", "seed": 0, "label": "psgpo/seed0", "needs_prm": True}
CHECKPOINTS = [{"label": "checkpoint 1/1"}]


def job(name: str, *needs: str) -> PlannedJob:
    return PlannedJob(name, "sft", {"before": needs} if needs else {})


def sft_config(**values: Any) -> dict[str, Any]:
    config = load_config("smoke").model_dump(mode="json")
    config["sft"] |= values
    return config


@pytest.mark.parametrize(
    ("jobs", "slots", "seconds"),
    [
        ([], 2, 0),
        ([job("a"), job("b"), job("c")], 1, 9),
        ([job("a"), job("b"), job("c")], 2, 5),  # b and c beside a
        ([job("a"), job("b", "a"), job("c", "b")], 2, 9),
        ([job("a"), job("b", "a"), job("c")], 2, 6),
    ],
)
def test_jobs_are_listed_on_slots(jobs: list[PlannedJob], slots: int, seconds: float) -> None:
    assert wall_seconds(jobs, {"a": 4, "b": 2, "c": 3}, slots) == seconds


def test_the_same_settings_cost_their_median() -> None:
    records = [Record({"sft": sft_config()["sft"]}, {}, seconds) for seconds in (5.0, 7.0, 90.0)]
    assert Costs({"sft": records}).seconds("sft", sft_config()) == 7.0


def test_other_settings_cost_by_their_units() -> None:
    record = Record({"sft": sft_config(epochs=4)["sft"]}, {}, 40.0)
    assert Costs({"sft": [record]}).seconds("sft", sft_config(epochs=8)) == 80.0
    # much larger than all that is known: what is shipped stands in
    assert Costs({"sft": [record]}).seconds("sft", sft_config(epochs=40)) == 40 * SHIPPED_RATES["sft"]
    assert Costs().seconds("sft", sft_config(epochs=3)) == 3 * SHIPPED_RATES["sft"]


def test_an_empty_store_has_nothing_done(tmp_path: Path) -> None:
    config, store = load_config("smoke"), open_store(f"file://{tmp_path}/store")
    expected = forecast(store, config, training_jobs([RL, PSGPO], CHECKPOINTS))
    assert (expected.cells, expected.cells_to_run, expected.done) == (2, 2, frozenset())
    assert expected.completions > 0
    assert set(expected.job_seconds) >= {
        "sft",
        "baseline",
        "train_policy psgpo/seed0",
        "evaluate psgpo/seed0",
    }
    assert all(seconds > STARTING_SECONDS for seconds in expected.job_seconds.values())
    longer = load_config("smoke", [f"ppo.steps={10 * config.ppo.steps}"])
    more = forecast(store, longer, training_jobs([RL, PSGPO], CHECKPOINTS))
    assert more.job_seconds["train_policy psgpo/seed0"] > expected.job_seconds["train_policy psgpo/seed0"]
    assert more.job_seconds["sft"] == expected.job_seconds["sft"]


def test_what_is_in_the_store_is_done_and_remembered(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A job is done if its settings are the same and everything above it is done."""
    store = f"file://{tmp_path}/store"
    assert main(["prepare_problems", "--config", "smoke", "--store", store]) == 0
    made = json.loads(capsys.readouterr().out.splitlines()[-1])
    jobs = training_jobs([RL], [])
    assert forecast(open_store(store), load_config("smoke"), jobs).done == {"prepare_problems"}
    assert forecast(open_store(store), load_config("smoke", ["sft.epochs=9"]), jobs).done == {
        "prepare_problems"
    }
    assert forecast(open_store(store), load_config("smoke", ["data.seed=9"]), jobs).done == frozenset()
    (record,) = read_costs(open_store(store)).records["prepare_problems"]
    assert record.seconds == pytest.approx(made["seconds"], abs=0.01)


def test_a_damaged_manifest_is_passed_over(tmp_path: Path) -> None:
    folder = tmp_path / "store/model/ab" / ("ab" * 32)
    folder.mkdir(parents=True)
    (folder / "_manifest.json").write_text("{")
    assert read_costs(open_store(f"file://{tmp_path}/store")).records == {}


@pytest.mark.parametrize(("seconds", "text"), [(5, "5 s"), (600, "10 min"), (9000, "2.5 h")])
def test_times_as_people_say_them(seconds: float, text: str) -> None:
    assert told(seconds) == text
