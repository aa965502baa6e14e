"""How good scores in [-1, 1] are at telling +1 from -1: error, ranking, calibration. Plain numpy, no model.

A score s is read as the probability (1 + s) / 2 that the prefix is recoverable.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

BINS = 10
"""Bins of the reliability diagram and of the expected calibration error, equally wide."""


def quality(scores: ArrayLike, labels: ArrayLike) -> dict[str, float]:
    """mse, accuracy, balanced_accuracy, auc, brier, ece over scores and labels +1 or -1 [N].

    Accuracy takes the sign of the score, 0 as -1. Where only one class occurs, balanced accuracy is that class's accuracy
    and auc is left out; nothing at all for no lines.
    """
    s, y = np.asarray(scores, dtype=np.float64), np.asarray(labels)
    if not len(s):
        return {}
    right, p, positive = (s > 0) == (y > 0), (1 + s) / 2, y > 0
    measured = {
        "mse": np.mean((s - y) ** 2),
        "accuracy": np.mean(right),
        "balanced_accuracy": np.mean([np.mean(right[of]) for of in (positive, ~positive) if of.any()]),
        "brier": np.mean((p - positive) ** 2),
        "ece": sum(row["count"] * abs(row["predicted"] - row["observed"]) for row in reliability(s, y))
        / len(s),
    }
    if positive.any() and not positive.all():
        measured["auc"] = _auc(s, positive)
    return {name: float(value) for name, value in measured.items()}


def reliability(scores: ArrayLike, labels: ArrayLike) -> list[dict[str, float]]:
    """One row per bin that holds something: mean predicted probability, observed share of +1, count."""
    p = (1 + np.asarray(scores, dtype=np.float64)) / 2
    positive = np.asarray(labels) > 0
    bins = np.minimum((p * BINS).astype(int), BINS - 1)
    return [
        {
            "predicted": float(p[bins == b].mean()),
            "observed": float(positive[bins == b].mean()),
            "count": int((bins == b).sum()),
        }
        for b in np.unique(bins)
    ]


def by_group(keys: ArrayLike, scores: ArrayLike, labels: ArrayLike) -> dict[int, dict[str, float]]:
    """`quality` and the count of the lines of each key, keys ascending."""
    k, s, y = np.asarray(keys), np.asarray(scores), np.asarray(labels)
    return {
        int(key): {**quality(s[k == key], y[k == key]), "count": int((k == key).sum())}
        for key in np.unique(k)
    }


def _auc(scores: np.ndarray, positive: np.ndarray) -> float:
    """Probability that a random +1 outranks a random -1, ties half: the Mann-Whitney statistic by mean ranks."""
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    mean_rank = np.cumsum(counts) - (counts - 1) / 2
    n, m = positive.sum(), (~positive).sum()
    return float((mean_rank[inverse][positive].sum() - n * (n + 1) / 2) / (n * m))
