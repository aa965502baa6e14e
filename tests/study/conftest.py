from __future__ import annotations

import pytest

from tasks.study import chain
from tests.study.micro import CELLS, GRID, MICRO, call, run_here


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A store with every cell; what each call said."""
    folder = tmp_path_factory.mktemp("study")
    store = f"file://{folder}/store"
    about = ("--study", MICRO, "--store", store)
    said = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PSGPO_CACHE", str(folder / "cache"))
        patch.setattr(chain, "_run_stage", run_here)
        for setting in ("main", "more_kl", "less_data"):
            said[setting] = call("foundation", *about, "--setting", setting)
        for (setting, arm), seeds in CELLS.items():
            for seed in range(seeds):
                place = ("--setting", setting, "--arm", arm, "--seed", seed)
                said[f"{setting}/{arm}/{seed}"] = call("cell", *about, *place)
        for setting in GRID:
            said[setting] = call("foundation", *about, "--setting", setting)
            place = ("--setting", setting, "--arm", "rl", "--seed", 0)
            said[f"{setting}/rl/0"] = call("cell", *about, *place)
    return store, said
