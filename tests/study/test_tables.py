"""What a table shows, and what it leaves out."""

from __future__ import annotations

import pytest

from tasks.method.calibration import quality
from tasks.study import tables


@pytest.mark.parametrize(
    ("scores", "labels", "expected"),
    [
        pytest.param([0.5, -0.5, 0.5], [1, -1, -1], 0.75, id="both labels"),
        pytest.param([-0.5, -0.5, 0.5], [-1, -1, -1], None, id="one label, so no balance"),
        pytest.param([], [], None, id="no line"),
    ],
)
def test_balanced_accuracy_needs_both_labels(scores, labels, expected):
    measured = {"all": quality(scores, labels), "revised": {}}
    assert tables.balanced_accuracy(measured) == expected
    assert tables.balanced_accuracy(measured, "revised") is None
