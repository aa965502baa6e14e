"""The command on a real labels artifact: report, page, and refusals."""

from __future__ import annotations

import json

import pytest

from tasks.__main__ import main
from tests.stages.conftest import MicroRun


@pytest.fixture(scope="module")
def micro(tmp_path_factory):
    return MicroRun(tmp_path_factory.mktemp("micro"))


@pytest.fixture(scope="module")
def labels(micro):
    given = {"problems": micro.problems(), "responses": micro.responses(), "policy": micro.baseline()}
    return micro.stage("label_prefixes", "cell.checkpoint=1", **given)["artifact"]


def test_a_sample_is_audited_with_what_made_the_labels(labels, tmp_path, capsys):
    assert main(["audit-labels", labels, "--share", "1", "--output", str(tmp_path)]) == 0
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    written = json.loads((tmp_path / "audit.json").read_text())
    assert report.pop("seconds_per_response") > 0
    assert report == written
    assert report["lines"] > 0
    assert report["most_completions_per_line"] == 4 * 2
    assert "completion" in (tmp_path / "labels.html").read_text()


@pytest.mark.parametrize("share", ["0", "1.5"])
def test_a_share_that_is_none_is_refused(labels, share, capsys):
    assert main(["audit-labels", labels, "--share", share]) == 64
    assert "--share" in capsys.readouterr().err


def test_another_kind_of_artifact_is_refused(micro, capsys):
    assert main(["audit-labels", micro.problems()]) == 64
    assert "is a problems artifact; allowed: labels" in capsys.readouterr().err
