"""A study of two settings and two seeds: run through the stages, resumed, and reported from the store alone."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from tasks.errors import BadInput
from tasks.store import fetch_uri, open_store
from tasks.study import chain, command
from tasks.study.command import make_plan
from tasks.study.comparisons import PRIMARY, comparisons
from tasks.study.report import write_report
from tasks.study.results import collect
from tasks.study.settings import load_study
from tasks.study.tuning import as_tuned, picks, tried
from tests.study.micro import GRID, MICRO, call, rows_of


@pytest.fixture
def report(finished, tmp_path):
    store, _ = finished
    study = load_study(str(MICRO))
    found = collect(study, "development", {1: open_store(store)})
    write_report(study, "development", found, tmp_path / "report")
    return found, tmp_path / "report"


def altered(folder: Path, **changes) -> str:
    path = folder / "altered.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(MICRO.read_text()), **changes}))
    return str(path)


def test_settings_share_what_they_have_in_common(finished):
    _, said = finished
    assert not said["main"]["cached"]
    assert said["more_kl"]["cached"], "the KL is no setting of anything before the arms"


def policy_of(store, study, setting, arm) -> str:
    """Address of the policy that a setting's arm, seed 0, is made of."""
    base, phase = study.config(setting, "development"), "development"
    made = chain.find(open_store(store), base, chain.foundation(study.settings[setting], base))
    jobs = chain.cell_jobs(chain.Cell(setting, arm, 0))
    return chain.find(open_store(store), study.config(setting, phase, arm), jobs, made)[jobs[0].name].address


def test_values_of_cells_leave_the_foundation_and_change_the_training(finished):
    store, said = finished
    assert all(said[setting]["cached"] for setting in GRID), "it is the foundation of main"
    study = load_study(str(MICRO))
    assert len({policy_of(store, study, setting, "rl") for setting in ("main", *GRID)}) == 3


def test_tuned_values_are_those_of_their_arm_alone(finished, tmp_path):
    """An arm with a grid point's values is that grid point's cell; the other arms stay where they were."""
    store, _ = finished
    before = load_study(str(MICRO))
    tuned = load_study(altered(tmp_path, tuned={"rl": {"ppo.learning_rate": 1e-3}}))
    assert policy_of(store, tuned, "main", "rl") == policy_of(store, before, "tune_high", "rl")
    other = "fraction_of_tests"
    assert policy_of(store, tuned, "main", other) == policy_of(store, before, "main", other)


def test_a_cell_run_again_computes_nothing_and_is_the_same(finished, monkeypatch):
    store, said = finished

    def never(stage, arguments):
        raise AssertionError(f"{stage} was run again")

    monkeypatch.setattr(chain, "_run_stage", never)
    place = ("--setting", "main", "--arm", "rl", "--seed", 1)
    again = call("cell", "--study", MICRO, "--store", store, *place)
    assert again["cached"]
    assert again["digest"] == said["main/rl/1"]["digest"]


def test_a_cell_without_its_foundation_is_refused(tmp_path):
    place = ("--setting", "main", "--arm", "rl", "--seed", "0")
    with pytest.raises(BadInput, match="foundation"):
        command.main(["cell", "--study", str(MICRO), "--store", f"file://{tmp_path}/empty", *place])


def test_the_plan_knows_what_is_done(finished, tmp_path):
    store, _ = finished
    conf = {"study": str(MICRO), "n_seeds": 1, "job_minutes": 2}
    plan = make_plan(conf, "a", open_store(store))
    assert [cell["done"] for cell in plan["cells"]] == [True] * 7
    assert plan["budget_seconds"] == 120
    fresh = make_plan({"study": str(MICRO), "settings": ["more_kl"]}, "a", open_store(f"file://{tmp_path}/s"))
    assert [(cell["label"], cell["done"]) for cell in fresh["cells"]] == [
        ("more_kl/rl/seed0", False),
        ("more_kl/rl/seed1", False),
    ]
    some = make_plan({**conf, "settings": ["main"], "arms": ["rl", "psgpo"]}, "a", open_store(store))
    assert [cell["label"] for cell in some["cells"]] == ["main/rl/seed0", "main/psgpo/seed0"]
    with pytest.raises(BadInput, match="'dense' is no arm of more_kl"):
        make_plan({"study": str(MICRO), "settings": ["more_kl"], "arms": ["dense"]}, "a", open_store(store))
    with pytest.raises(BadInput, match="n_sedes"):
        make_plan({"n_sedes": 1}, "a", open_store(store))
    with pytest.raises(BadInput, match="nothing"):
        make_plan({"study": str(MICRO), "settings": ["nothing"]}, "a", open_store(store))


def test_every_number_is_its_manifests(finished, report):
    store, _ = finished
    _, folder = report
    cells = rows_of(folder / "cells.csv")
    assert len(cells) == 10
    for cell in cells:
        score, policy = (fetch_uri(f"{store}/{cell[name]}", folder / "check") for name in ("score", "policy"))
        assert float(cell["pass_at_1"]) == score.manifest["metrics"]["pass_at_1"]
        assert float(cell["cpu_seconds"]) == pytest.approx(policy.manifest["cpu_seconds"], abs=0.05)
        assert cell["score_run"] == score.manifest["mlflow_run_id"]
        assert json.loads((score.path / "summary.json").read_text())["seed"] == int(cell["seed"])


def test_the_page_and_its_tables_need_nothing_but_the_store(report):
    found, folder = report
    assert found.planned == 10
    page = (folder / "index.html").read_text()
    assert "10 of 10 cells" in page
    assert "more_kl/rl" in page
    questions = {f"question_{number}.png" for number in (1, 2, 3, 5, 8)}
    parts = {"sparsity.png", "prm_quality.png", "behaviour.png", "sizes.png"}
    assert {path.name for path in folder.glob("*.png")} == {"main.png", *questions, *parts}
    compared = rows_of(folder / "comparisons.csv")
    against_rl = ("main/fraction_of_tests", "main/psgpo", "more_kl/rl", "less_data/psgpo")
    assert {(row["figure"], row["arm"]) for row in compared if row["against"] == "main/rl"} == {
        (figure, arm) for figure in (PRIMARY, "pass@1", "area") for arm in against_rl
    }
    changed = {(row["figure"], row["arm"]) for row in compared if row["against"] != "main/rl"}
    assert changed == {(figure, "less_data/psgpo") for figure in (PRIMARY, "pass@1")}
    assert all(float(row["low"]) <= float(row["difference"]) <= float(row["high"]) for row in compared)


def test_arms_with_a_prm_are_held_against_other_ways_to_spend_its_cost(report, tmp_path):
    """The same scores under other names: nothing is gained over rl_long."""
    found, _ = report
    rl = found.of("main", "rl")
    paid = [replace(one, cell=replace(one.cell, arm="psgpo"), supervision=9.0) for one in rl]
    longer = [replace(one, cell=replace(one.cell, arm="rl_long")) for one in rl]
    study = load_study(str(MICRO))
    arms = {**study.settings["main"].arms, "psgpo": 2, "rl_long": 2}
    main = study.settings["main"].model_copy(update={"arms": arms})
    study = study.model_copy(update={"settings": {**study.settings, "main": main}})
    others = (one for one in found.results if one.cell.arm != "psgpo")
    both = replace(found, results=(*others, *paid, *longer))
    held = {(one.name, one.other) for figure, one in comparisons(study, both) if figure == PRIMARY}
    assert ("main/psgpo", "main/rl_long") in held
    assert ("main/rl_long", "main/rl") in held
    assert ("main/fraction_of_tests", "main/rl_long") not in held
    page = write_report(study, "development", both, tmp_path / "report").read_text()
    null = "+0.0 points [+0.0, +0.0] over 2 seeds: null."
    costs = [sum(one.total_cpu_seconds for one in side) for side in (longer, paid)]
    told = f"(main/rl_long, for {costs[0] / costs[1]:.2f} times the CPU seconds of psgpo)"
    assert f"psgpo - rl: {null} Against plain RL with more updates {told}: {null}" in page


def test_costs_begin_with_the_score_before_any_update(report):
    found, folder = report
    rows = rows_of(folder / "compute.csv")
    assert [(row["setting"], row["arm"]) for row in rows] == [
        ("main", "sft"),
        ("main", "rl"),
        ("main", "fraction_of_tests"),
        ("main", "psgpo"),
        ("more_kl", "sft"),
        ("more_kl", "rl"),
        ("less_data", "sft"),
        ("less_data", "psgpo"),
    ]
    start = found.starts["main"]
    assert float(rows[0]["pass_at_1"]) == pytest.approx(
        start.score.manifest["metrics"]["pass_at_1"], abs=5e-5
    )
    assert start.policy.manifest["kind"] == "model"


def test_every_stage_is_paid_once(report):
    """A foundation's stages by setting: what the main one has made costs the others nothing."""
    found, folder = report
    rows = {(row["setting"], row["stage"]): row for row in rows_of(folder / "stages.csv")}
    made = found.costs["main"]
    labels = [one.manifest for name, one in made.items() if name.startswith("label_prefixes")]
    assert int(rows["main", "label_prefixes"]["jobs"]) == len(labels) == 2
    spent = sum(one["cpu_seconds"] for one in labels)
    assert float(rows["main", "label_prefixes"]["cpu_seconds"]) == pytest.approx(spent, abs=0.06)
    assert {stage for setting, stage in rows if setting == "less_data"} == {
        "sample_responses",
        "validate",
        "label_prefixes",
        "fit_prm",
    }
    assert "more_kl" not in {setting for setting, _ in rows}


def test_what_labels_cost_is_what_was_counted(report):
    found, folder = report
    main, less = rows_of(folder / "labels.csv")
    assert (main["setting"], less["setting"]) == ("main", "less_data")
    listed = [one for name, one in found.costs["main"].items() if name.startswith("label_prefixes")]
    costs = [
        json.loads((fetch_uri(one.address, folder / "check").path / "cost.json").read_text())
        for one in listed
    ]
    for name in ("responses", "completions", "executions"):
        assert int(main[name]) == sum(cost[name] for cost in costs)
    per_failing = sum(cost["executions"] for cost in costs) / sum(cost["failing"] for cost in costs)
    assert float(main["executions_per_failing"]) == pytest.approx(per_failing, abs=0.006)
    assert int(less["responses"]) == int(main["responses"]) // 2


def test_a_prm_stands_beside_what_it_was_trained_on(report):
    found, folder = report
    main, less = rows_of(folder / "prms.csv")
    assert (int(main["trained_on_responses"]), int(less["trained_on_responses"])) == (64, 32)
    whole = found.prms["less_data"]["all"]
    both = 0 < whole["positive"] < 1
    assert less["balanced_accuracy"] == (f"{whole['balanced_accuracy']:.4f}" if both else "")
    prm = found.costs["main"]["fit_prm"].manifest["metrics"]
    assert main["held_out"] == f"{prm['all_balanced_accuracy']:.4f}"


def test_sparsity_is_the_first_batch_and_size_is_the_model_s(report):
    found, folder = report
    (sparse,) = rows_of(folder / "sparsity.csv")
    firsts = [one.updates[0]["train/pass_rate"] for one in found.of("main", "rl")]
    assert (sparse["setting"], float(sparse["solved_before"])) == (
        "main",
        pytest.approx(sum(firsts) / 2, abs=1e-4),
    )
    (size,) = rows_of(folder / "sizes.csv")
    assert int(size["parameters"]) == found.costs["main"]["prepare_model"].manifest["metrics"]["parameters"]
    assert sparse["difference"] == size["difference"]


def test_behaviour_is_that_of_the_last_updates(report):
    found, folder = report
    rows = {(row["setting"], row["arm"]): row for row in rows_of(folder / "behaviour.csv")}
    assert not any(setting in GRID for setting, _ in rows)
    lines = [update["train/lines"] for one in found.of("more_kl", "rl") for update in one.updates[-5:]]
    assert float(rows["more_kl", "rl"]["lines"]) == pytest.approx(sum(lines) / len(lines), abs=1e-4)


def test_a_second_report_has_the_same_bytes(report, tmp_path):
    found, folder = report
    write_report(load_study(str(MICRO)), "development", found, tmp_path / "again")
    names = sorted(path.name for path in folder.iterdir())
    assert names == sorted(path.name for path in (tmp_path / "again").iterdir())
    assert all((folder / name).read_bytes() == (tmp_path / "again" / name).read_bytes() for name in names)


def test_the_report_shows_the_grid_and_picks_the_best(report):
    found, folder = report
    rows = rows_of(folder / "tuning.csv")
    assert [(row["arm"], row["setting"], row["seeds"]) for row in rows] == [
        ("rl", setting, "1 of 1") for setting in GRID
    ]
    best = max(rows, key=lambda row: float(row["pass_at_1_trained"]))
    assert [row["picked"] for row in rows] == ["yes" if row is best else "" for row in rows]
    assert "ppo.learning_rate 1e-3" in (folder / "index.html").read_text()
    told = as_tuned(picks(tried(load_study(str(MICRO)), found)))
    assert [", ".join(f"{key} {value}" for key, value in told["rl"].items())] == [best["values"]]


def test_nothing_is_picked_while_a_cell_of_the_grid_is_missing(report):
    found, _ = report
    part = replace(found, results=[one for one in found.results if one.cell.setting != "tune_high"])
    points = tried(load_study(str(MICRO)), part)
    assert [point.complete for point in points] == [True, False]
    assert picks(points) == {}


def test_the_grid_is_compared_with_nothing_and_stays_in_development(report, tmp_path):
    found, _ = report
    frozen = load_study(altered(tmp_path, frozen=True))
    assert not any(one.name.startswith("tune_") for _, one in comparisons(frozen, found))
    assert not set(GRID) & set(frozen.of_phase("confirmation"))
    with pytest.raises(BadInput, match="tunes"):
        frozen.overrides("tune_low", "confirmation")


def test_an_altered_score_is_not_reported(finished, tmp_path):
    store, said = finished
    copied = tmp_path / "store"
    shutil.copytree(store.removeprefix("file://"), copied)
    folder = copied / said["main/rl/0"]["artifact"].removeprefix(f"{store}/")
    summary = folder / "summary.json"
    summary.chmod(0o644)
    summary.write_text(summary.read_text().replace('"pass_at_1": 0', '"pass_at_1": 1'))
    (folder / "summary.json").open("a").write(" ")
    with pytest.raises(BadInput):
        collect(load_study(str(MICRO)), "development", {1: open_store(f"file://{copied}")})


def test_a_missing_cell_is_left_out_and_counted(finished, tmp_path):
    store, said = finished
    copied = tmp_path / "store"
    shutil.copytree(store.removeprefix("file://"), copied)
    shutil.rmtree(copied / said["more_kl/rl/1"]["artifact"].removeprefix(f"{store}/"))
    found = collect(load_study(str(MICRO)), "development", {1: open_store(f"file://{copied}")})
    assert (len(found.results), found.planned) == (9, 10)
    (kl,) = [
        one
        for figure, one in comparisons(load_study(str(MICRO)), found)
        if (figure, one.name) == ("pass@1", "more_kl/rl")
    ]
    assert kl.verdict.startswith("one seed")


def test_an_empty_store_is_no_report(tmp_path):
    with pytest.raises(BadInput, match="no finished cell"):
        collect(load_study(str(MICRO)), "development", {1: open_store(f"file://{tmp_path}/s")})


def test_a_prm_of_another_study_is_asked_once_it_is_there(finished, monkeypatch, tmp_path):
    """On the programs that the main setting's own PRM is measured on, and on no others."""
    store, _ = finished
    mine = load_study(str(MICRO))
    asking = mine.model_copy(update={"also_checked": ("other",)})
    monkeypatch.setattr(chain, "load_study", lambda name: mine)
    assert chain.foreign_prms(asking, open_store(f"file://{tmp_path}/empty")) == {}, "it has no PRM"
    foreign = chain.foreign_prms(asking, open_store(store))
    assert [(name, made.manifest["kind"]) for name, made in foreign.items()] == [("other: fit_prm", "prm")]
    jobs = chain.cell_jobs(chain.Cell("main", "psgpo", 0), foreign)
    checks = [job for job in jobs if job.stage == "check_prm"]
    assert [(job.name, job.inputs["prm"]) for job in checks] == [
        ("check_prm", ("fit_prm",)),
        ("other: check_prm", ("other: fit_prm",)),
    ]
    assert checks[0].inputs["policies"] == checks[1].inputs["policies"]
    elsewhere = chain.cell_jobs(chain.Cell("more_kl", "psgpo", 0), foreign)
    assert [job.name for job in elsewhere if job.stage == "check_prm"] == ["check_prm"]


def test_a_frozen_study_does_not_wait_for_the_others_protocols(tmp_path):
    """Confirmation is planned while the study whose PRM it wants is not frozen; its own confirmation is still refused."""
    wanted = altered(tmp_path, name="wanted")
    frozen = tmp_path / "frozen.yaml"
    tree = {**yaml.safe_load(MICRO.read_text()), "frozen": True, "also_checked": [wanted]}
    frozen.write_text(yaml.safe_dump(tree))
    store = open_store(f"file://{tmp_path}/store")
    plan = make_plan({"study": str(frozen), "phase": "confirmation", "settings": ["main"]}, "a", store)
    assert len(plan["cells"]) == 5
    with pytest.raises(BadInput, match="frozen"):
        make_plan({"study": wanted, "phase": "confirmation", "settings": ["main"]}, "a", store)


def test_development_scores_come_from_validation_problems_alone(report):
    found, folder = report
    problems = json.loads(json.dumps(found.results[0].summary["per_problem"]))
    (made,) = {one.address for name, one in found.costs["main"].items() if name == "prepare_problems"}
    from tasks.problems import read_problems

    listed = {p.problem_id: p.split for p in read_problems(fetch_uri(made, folder / "check").path)}
    assert {listed[row["problem_id"]] for row in problems} == {"validation"}
    assert set(listed.values()) == {"train", "validation", "test", "confirmation"}
