"""bench/prm.py on really labelled responses: shares, settings, controls, and what it refuses."""

from __future__ import annotations

import pytest

from bench.prm import measure
from tasks.cache import cache_folder
from tasks.errors import BadInput
from tasks.store import fetch_uri
from tests.stages.conftest import MicroRun


@pytest.fixture(scope="module")
def prm(tmp_path_factory):
    micro = MicroRun(tmp_path_factory.mktemp("micro"))
    given = {"problems": micro.problems(), "responses": micro.responses(), "policy": micro.baseline()}
    labels = micro.stage("label_prefixes", "cell.checkpoint=1", **given)["artifact"]
    inputs = {"problems": micro.problems(), "labels": labels, "sft": micro.sft()}
    uri = micro.stage("fit_prm", "prm.selection=full", **inputs)["artifact"]
    return fetch_uri(uri, cache_folder())


def test_rows_by_share_on_the_same_held_out_lines_beside_controls(prm):
    found = measure(prm, ["prm.epochs=2"], [0.4, 1.0], 1)
    less, more = found["rows"]
    assert 0 < less["responses"] < more["responses"]
    assert less["all"]["lines"] == more["all"]["lines"] > 0
    assert more["epochs"] == found["settings"]["epochs"] == 2
    assert set(found["controls"]) == {"constant", "position", "shuffled_labels"}
    assert set(found["controls"]["shuffled_labels"]) == {"all", "revised"}


@pytest.mark.parametrize("override", ["sft.epochs=2", "prm.epochs"])
def test_other_settings_are_refused(prm, override):
    with pytest.raises(BadInput, match="is no setting of the PRM"):
        measure(prm, [override], [1.0], 1)
