"""Sections of a run's page about labels and PRM: what labels cost, how far they can be trusted, how good the PRM is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from tasks.reporting.page import PageSection, Picture, Table

QUALITIES = ("accuracy", "balanced_accuracy", "auc", "brier", "ece", "mse")
_HEADER = ("lines", "share of +1", *(name.replace("_", " ") for name in QUALITIES))
_PARTS: Mapping[str, Callable[[float], bool]] = {
    "first third of the program": lambda position: position < 1 / 3,
    "middle third": lambda position: 1 / 3 <= position < 2 / 3,
    "last third": lambda position: position >= 2 / 3,
}


def prm_sections(
    prm: Mapping[str, Any] | None, check: Mapping[str, Any] | None, pictures: Mapping[str, Picture]
) -> list[PageSection]:
    """`prm` and `check` are what `fit_prm` and `check_prm` measured; none of it for a run without PRM."""
    if prm is None:
        return []
    fitted = PageSection(
        "How good the PRM is",
        "Lines of problems it was not fitted on. Balanced accuracy says more than accuracy, because most lines are "
        f"negative. Selected responses are those of prm.selection = {prm['selection']['strategy']}; the controls are "
        "measured on them, too.",
        _quality_table(
            "on held-out problems",
            {
                "PRM, selected responses": prm["held_out"],
                "PRM, all labelled responses": prm["held_out_all"],
                **{f"control: {name}": values for name, values in prm["controls"].items()},
            },
        ),
        (pictures["position"], pictures["reliability"]),
    )
    return [fitted, *([_moved_section(check)] if check else [])]


def _moved_section(check: Mapping[str, Any]) -> PageSection:
    """The PRM on programs of a policy that was trained with it."""
    title = "How good it still is on the policy it trained"
    policy = "{arm}/seed{seed}".format(**check["policy"])
    if not check["responses"]:
        text = "Not measured: the run has no validation problems of the arms' difficulty."
        return PageSection(title, text, part=True)
    return PageSection(
        title,
        f"{check['responses']} programs that {policy} wrote for validation problems, {check['passing']} of them pass, "
        "labelled in the same way. The controls know the labels that the PRM was fitted on.",
        _quality_table(
            f"on programs of {policy}",
            {
                "PRM, responses with both labels": check["revised"],
                "PRM, all responses": check["all"],
                **{f"control: {name}": values for name, values in check["controls"].items()},
            },
        ),
        part=True,
    )


def label_sections(
    costs: Sequence[Mapping[str, Any]], audits: Sequence[Mapping[str, Any]]
) -> list[PageSection]:
    """`costs` and `audits`: cost.json and audit.json of every checkpoint's labels."""
    if not costs:
        return []
    header = tuple(name for name, value in costs[0].items() if isinstance(value, int | float))
    rows = tuple(
        (str(number), *(f"{cost[name]:g}" for name in header)) for number, cost in enumerate(costs, start=1)
    )
    table = Table(("checkpoint", *(name.replace("_", " ") for name in header)), rows)
    return [PageSection("What labels cost", "", table), _audit_section(audits)]


def _audit_section(audits: Sequence[Mapping[str, Any]]) -> PageSection:
    """The audits of all checkpoints in one."""
    positions = [row for audit in audits for row in audit["by_position"]]
    groups = {
        "all": audits,
        "labelled +1": [audit["by_label"]["+1"] for audit in audits],
        "labelled -1": [audit["by_label"]["-1"] for audit in audits],
        **{name: [row for row in positions if is_in(row["position"])] for name, is_in in _PARTS.items()},
    }
    counted = {name: _wrong(rows) for name, rows in groups.items()}
    rows = tuple(
        (name, str(lines), str(wrong), f"{100 * wrong / lines:.1f}" if lines else "")
        for name, (lines, wrong) in counted.items()
    )
    responses = sum(audit["responses"] for audit in audits)
    breaks = sum(audit["responses_not_monotone"] for audit in audits)
    most = max(audit["most_completions_per_line"] for audit in audits)
    return PageSection(
        "How far labels can be trusted",
        f"{responses} failing responses were labelled again, line by line, with up to {most} completions of their own "
        f"for every line; in {breaks} of them a line is recoverable behind one that is not. The programs, and what "
        "decided each label, are in labels.html of the label_prefixes runs.",
        Table(("lines", "audited", "label differs", "error rate %"), rows),
        part=True,
    )


def _wrong(rows: Iterable[Mapping[str, Any]]) -> tuple[int, int]:
    """Audited lines, and how many of them have another label."""
    known = [(row["lines"], row["error_rate"]) for row in rows if row["lines"]]
    return sum(lines for lines, _ in known), sum(round(lines * rate) for lines, rate in known)


def _quality_table(title: str, rows: Mapping[str, Mapping[str, float]]) -> Table:
    return Table((title, *_HEADER), tuple((name, *_cells(values)) for name, values in rows.items()))


def _cells(values: Mapping[str, float]) -> Iterable[str]:
    yield f"{values['lines']:.0f}" if "lines" in values else ""
    yield f"{100 * values['positive']:.0f} %" if "positive" in values else ""
    for name in QUALITIES:
        yield f"{values[name]:.3f}" if name in values else ""
