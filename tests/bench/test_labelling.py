"""bench/labelling.py: the search it compares with is the paper's, and sees the same completions."""

from __future__ import annotations

import pytest

from bench.labelling import plain_search
from bench.labelling_memory import memory
from tasks.config import LabelConfig
from tasks.method.labelling import search_labels
from tasks.method.trials import Trials
from tests.method.scripted import Script, failing

K, LINES = 4, 16
PLANTED = {f"r{line}": line for line in range(LINES)}
SUBJECTS = [failing(name, LINES) for name in PLANTED]
SETTINGS = LabelConfig(completions=K)


def test_the_plain_search_executes_k_completions_for_each_of_log2_probes():
    script = Script(PLANTED, completions=K)
    labels, executed = plain_search(SUBJECTS, script, script.judge, SETTINGS)
    assert labels == [[1] * line + [-1] * (LINES - line) for line in range(LINES)]
    assert executed == len(script.judged) == K * 4 * len(SUBJECTS)


def test_both_searches_see_the_same_completions_and_ours_needs_fewer():
    plain, ours = Script(PLANTED, completions=K), Script(PLANTED, completions=K)
    labels, executed = plain_search(SUBJECTS, plain, plain.judge, SETTINGS)
    trials = Trials(ours, ours.judge)
    searches = search_labels(SUBJECTS, trials, SETTINGS)
    assert [search.labels for search in searches] == labels
    assert trials.cost.executions < trials.cost.completions < executed
    first_probes = {want.stream for want in ours.wanted if want.line == LINES // 2}
    assert first_probes
    assert first_probes <= {want.stream for want in plain.wanted}


def test_scripted_responses_are_labelled_in_a_process_of_their_own():
    found = memory([30])
    assert 20 < found["peak_mb"]["30"] < 2000
    assert found["memory_ratio"] == 1


@pytest.mark.parametrize("bench", ["labelling", "prm"])
def test_another_kind_of_artifact_is_refused(bench, tmp_path):
    import importlib

    from tasks.errors import BadInput
    from tasks.store import open_store, publish
    from tasks.store.artifacts import artifact_key

    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "report.html").write_text("")
    store, key = open_store(f"file://{tmp_path}/store"), artifact_key("report", "ab" * 32)
    publish(store, key, tmp_path / "made", {"kind": "report", "metrics": {}, "seconds": 0})
    flag = {"labelling": "--responses", "prm": "--prm"}[bench]
    with pytest.raises(BadInput, match="is a report artifact"):
        importlib.import_module(f"bench.{bench}").main([flag, f"{store.uri}/{key}"])
