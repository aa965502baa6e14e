"""How good a PRM gets: `python -m bench prm --prm ADDRESS [--set prm.selection=full] [--shares 0.5,1] [--seeds 3]`.

Fits the PRM of a run again from the same labels, with its settings or others, on a share of the training problems, and
measures it on held-out problems: on all labelled responses and on those with both labels (`revised`). Settings that
select other responses are measured on the same problems. Several seeds hold out other problems and give means. Controls:
the mean label, the mean label at a line's position, and the last fit with shuffled labels. The last line of stdout is one
JSON object.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tasks.cache import cache_folder
from tasks.config import PRMConfig, validate_config
from tasks.errors import BadInput
from tasks.method.selection import revised_only
from tasks.problems import Problem, read_problems
from tasks.store import Artifact
from tasks.store.artifacts import fetch_uri

FIGURES = ("accuracy", "balanced_accuracy", "auc", "mse", "ece")


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench prm", description=__doc__.split("\n")[0])
    parser.add_argument("--prm", required=True, help="address of a prm artifact")
    parser.add_argument("--set", action="append", default=[], metavar="prm.KEY=VALUE")
    parser.add_argument("--shares", default="1", help="shares of its training problems")
    parser.add_argument("--seeds", type=int, default=1, help="splits that are averaged")
    options = parser.parse_args(argv)
    shares = [float(share) for share in options.shares.split(",")]
    if not all(0 < share <= 1 for share in shares):
        raise BadInput("--shares", f"{options.shares} are no shares", "0 < share <= 1")
    artifact = fetch_uri(options.prm, cache_folder())
    if artifact.kind != "prm":
        raise BadInput(artifact.uri, f"is a {artifact.kind} artifact", "prm")
    print(json.dumps(measure(artifact, options.set, shares, options.seeds)), flush=True)
    return 0


def measure(prm: Artifact, overrides: Sequence[str], shares: Sequence[float], seeds: int) -> dict[str, Any]:
    """One row per share, each the mean over seeds."""
    from tasks.sampling.models import limit_threads

    limit_threads()
    settings = _settings(prm, overrides)
    splits = [_Bench.of(prm, settings.model_copy(update={"seed": seed})) for seed in range(seeds)]
    rows = {share: _mean([bench.fitted(share) for bench in splits]) for share in shares}
    shuffled = _mean([bench.fitted(shares[-1], shuffled=True) for bench in splits])
    guesses = [bench.guessed() for bench in splits]
    return {
        "bench": "prm",
        "settings": settings.model_dump(mode="json"),
        "seeds": seeds,
        "rows": [{"share": share, **row} for share, row in rows.items()],
        "controls": {name: _mean([one[name] for one in guesses]) for name in guesses[0]}
        | {"shuffled_labels": {name: shuffled[name] for name in ("all", "revised")}},
    }


def _settings(prm: Artifact, overrides: Sequence[str]) -> PRMConfig:
    import yaml

    tree = dict(prm.manifest["identity"]["config"]["prm"])
    for override in overrides:
        key, _, value = override.partition("=")
        if not key.startswith("prm.") or not value:
            raise BadInput(f"--set {override}", "is no setting of the PRM", "prm.KEY=VALUE")
        tree[key.removeprefix("prm.")] = yaml.safe_load(value)
    return validate_config({"prm": tree}).prm


@dataclass(frozen=True)
class _Bench:
    """One split: the model the PRM starts from, the labelled responses of both sides."""

    model: Any
    data: Any
    problems: Mapping[str, Problem]
    settings: PRMConfig

    @classmethod
    def of(cls, prm: Artifact, settings: PRMConfig) -> _Bench:
        from tasks.sampling.models import load_language_model
        from tasks.stages.prm_data import read_prm_data

        inputs = {
            name: [fetch_uri(uri, cache_folder()).path for uri in uris]
            for name, uris in prm.manifest["input_artifacts"].items()
        }
        problems = {problem.problem_id: problem for problem in read_problems(inputs["problems"][0])}
        start = inputs["sft"][0] if settings.init == "sft" else inputs["policy"][0] / "policy"
        model, tokenizer = load_language_model(start)
        data = read_prm_data(inputs["labels"], problems, model, tokenizer, settings)
        return cls(model, data, problems, settings)

    def fitted(self, share: float, *, shuffled: bool = False) -> dict[str, Any]:
        """A fit on a random share of the training problems, and how good it is."""
        from tasks.method.prm import Fit, shuffled_targets
        from tasks.stages.prm_metrics import line_scores

        data = _share_of(self.data, share)
        train = shuffled_targets(data.train, self.settings.seed) if shuffled else data.train
        started = time.process_time()
        fit = Fit.start(self.model, self.settings)
        while not fit.finished:
            fit.epoch(train, data.watched)
        seconds = time.process_time() - started
        value_model = fit.keep_best()
        row = {
            "responses": len(train),
            "best_epoch": fit.best_epoch + 1,
            "epochs": len(fit.held_out),
            "cpu_seconds": seconds,
            **self._quality(lambda responses: line_scores(value_model, responses)),
            "outcome": self._against_outcomes(line_scores(value_model, self.data.held_out_all)),
        }
        print(json.dumps(_mean([row])), file=sys.stderr, flush=True)
        return row

    def guessed(self) -> dict[str, Any]:
        """The controls that do not read programs, by name."""
        from tasks.stages.prm_metrics import Lines, guesses, simple_controls

        known = guesses(Lines.of(self.data.trained, self.problems))
        found = {
            name: simple_controls(known, Lines.of(responses, self.problems))
            for name, responses in self._held_out().items()
        }
        return {control: {name: _figures(found[name][control]) for name in found} for control in found["all"]}

    def _quality(self, score: Any) -> dict[str, dict[str, float]]:
        from tasks.stages.prm_metrics import Lines, summary

        found = {}
        for name, responses in self._held_out().items():
            lines = Lines.of(responses, self.problems)
            found[name] = _figures(summary(lines, score(responses)))
        return found

    def _against_outcomes(self, scores: Any) -> dict[str, float]:
        """On all held-out lines: correlation of scores with "this response passes", that of the labels, and the share of
        lines above 0 in responses that pass."""
        import numpy as np

        everything = self.data.held_out_all
        pairs = [
            (one.passed, label)
            for one, example in zip(everything.labelled, everything.examples, strict=True)
            for label in one.labels[: len(example.ends)]
            if label
        ]
        passed, labels = np.array(pairs, dtype=float).reshape(-1, 2).T
        if not 0 < passed.mean() < 1:
            return {}
        return {
            "correlation": float(np.corrcoef(scores, passed)[0, 1]),
            "correlation_of_labels": float(np.corrcoef(labels, passed)[0, 1]),
            "passing_above_0": float((scores[passed > 0] > 0).mean()),
        }

    def _held_out(self) -> dict[str, Any]:
        everything = self.data.held_out_all
        chosen = {one.response_id for one in revised_only(everything.labelled)}
        pairs = [
            (one, example)
            for one, example in zip(everything.labelled, everything.examples, strict=True)
            if one.response_id in chosen
        ]
        revised = replace(
            everything, labelled=[one for one, _ in pairs], examples=[example for _, example in pairs]
        )
        return {"all": everything, "revised": revised}


def _figures(measured: Mapping[str, float]) -> dict[str, float]:
    return {name: measured[name] for name in (*FIGURES, "lines", "positive") if name in measured}


def _share_of(data: Any, share: float) -> Any:
    """The same data with the training responses of a random share of the problems."""
    names = sorted({one.problem_id for one in data.trained.labelled})
    random.Random("bench/prm").shuffle(names)
    kept = set(names[: max(1, round(share * len(names)))])
    pairs = [
        (one, example)
        for one, example in zip(data.trained.labelled, data.trained.examples, strict=True)
        if one.problem_id in kept
    ]
    tokens = {example.tokens for _, example in pairs}
    return replace(data, train=[example for example in data.train if example.tokens in tokens])


def _mean(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Means of numbers, also of those one level down."""
    return {
        name: _mean([row[name] for row in rows])
        if isinstance(value, Mapping)
        else round(sum(row[name] for row in rows) / len(rows), 3)
        for name, value in rows[0].items()
    }


if __name__ == "__main__":
    sys.exit(main())
