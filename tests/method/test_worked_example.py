"""The worked example of docs/method.md, step by step."""

from __future__ import annotations

import pytest

from tasks.config import LabelConfig, RewardConfig
from tasks.method.labelling import label_rows, search_labels
from tasks.method.rewards import line_returns, line_weight
from tasks.method.trials import Trials
from tests.method.scripted import Script, failing

LINES = [
    "xs = [x + i for i, x in enumerate(xs)]",
    "xs = xs[:-3]",
    "xs = [min(x, 4) for x in xs]",
    "xs = [x for x in xs if x % 4 != 0]",
    "xs = [x % 7 for x in xs]",
    "xs = [x * 3 for x in xs]",
    "return sum(xs)",
]


class Example(Script):
    """Completions of line 3 repeat line 4 and pass; those of line 5 cannot."""

    def _continuation(self, want):
        if want.line == 3:
            return want.subject.lines[3] + "    xs = [x % 6 for x in xs]\n    return 3 * sum(xs)  # right\n"
        return f"    return sum(xs) + {want.stream[-1]}  # wrong\n"


def test_two_probes_and_ten_completions():
    script = Example({})
    trials = Trials(script, script.judge)
    (found,) = search_labels([failing("r", LINES)], trials, LabelConfig(completions=8))
    assert found.labels == [1, 1, 1, 1, -1, -1, -1]
    assert [probe.line for probe in found.probes] == [3, 5]
    assert trials.cost.completions == 10
    rows = label_rows(found)
    assert [(row["passes"], row["attempts"]) for row in rows[2:5]] == [(2, 2), (2, 2), (0, 8)]


def test_what_its_lines_earn():
    settings = RewardConfig()
    returns = line_returns([0.9, 0.9, 0.8, 0.6, -0.5, -0.8, -0.9], [False] * 7, settings)
    rewards = [line_weight(False, settings) * value for value in returns]
    assert rewards[4] == pytest.approx(-0.018, abs=5e-4)
    assert sum(rewards) == pytest.approx(0.036, abs=5e-4)
