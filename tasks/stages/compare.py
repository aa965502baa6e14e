"""One page for evaluated models: how good, how sure, what changed, on every benchmark.

in: scores (models x benchmarks; the first model is what the others are compared with)
out: report.html, results.json (the same figures for programs), *.png
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING

from tasks.stages.report import prompts_of
from tasks.stages.stage import Stage, StageContext

if TYPE_CHECKING:
    from tasks.reporting.results import Score


def run(context: StageContext) -> Mapping[str, float]:
    from tasks.reporting.comparison import benchmark_results, build_page, draw
    from tasks.reporting.page import write_page
    from tasks.reporting.results import read_score

    benchmarks: dict[str, dict[str, list[Score]]] = {}
    for artifact in context.inputs["scores"]:
        score = read_score(artifact.path)
        benchmarks.setdefault(score.summary["benchmark"], {}).setdefault(score.arm, []).append(score)
    pictures = {name: draw(name, groups, context.output) for name, groups in benchmarks.items()}
    page = build_page(benchmarks, pictures, prompts_of(context.inputs["scores"]))
    write_page(page, context.output / "report.html")
    results = [
        {**asdict(one), "arm": f"{name}/{one.arm}"}
        for name, groups in benchmarks.items()
        for one in benchmark_results(groups)
    ]
    told = {"arms": results, "conclusion": page.conclusion}
    (context.output / "results.json").write_text(json.dumps(told, indent=1, sort_keys=True))
    for path in sorted(context.output.iterdir()):
        context.tracker.file(path, "report")
    return {f"pass_at_1/{one['arm']}": one["pass_at_1"] for one in results}


STAGE = Stage(
    name="compare",
    kind="report",
    version=1,
    sections=(),
    inputs={"scores*": "scores"},
    run=run,
)
