"""From labels artifacts to what the PRM is fitted on: responses with labels, their tokens, their line ends."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.config import PRMConfig
from tasks.errors import BadInput
from tasks.method.lines import line_end_tokens
from tasks.method.prm import Example
from tasks.method.selection import Labelled, hold_out, select
from tasks.problems import Problem
from tasks.rows import LABELS, RESPONSES, iterate_rows
from tasks.sampling.tokenizer import token_bytes

SOURCES = {"search": ("search",), "mutation": ("mutation",), "both": ("search", "mutation")}


def read_labelled(folder: Path, source: str) -> list[Labelled]:
    """Responses of one labels artifact whose labels come from `source`, in file order.

    Raises BadInput for labels whose response is missing, or whose lines do not run from 1 on.
    """
    responses = {
        row["response_id"]: (row["problem_id"], row["text"], row["status"] == "passed")
        for row in iterate_rows(RESPONSES, folder / "responses.parquet")
    }
    labels: dict[str, list[int]] = {}
    sampled: set[str] = set()
    for number, row in enumerate(iterate_rows(LABELS, folder / "labels.parquet")):
        name, where = row["response_id"], f"{folder / 'labels.parquet'} row {number}"
        if name not in responses:
            raise BadInput(where, f"response {name!r} is not in responses.parquet")
        if row["source"] not in SOURCES[source]:
            continue
        mine = labels.setdefault(name, [])
        if row["line"] != len(mine) + 1:
            raise BadInput(
                where, f"line {row['line']} of {name} follows line {len(mine)}", "lines 1, 2, 3, ..."
            )
        mine.append(row["label"])
        if row["source"] == "search":
            sampled.add(name)
    return [
        Labelled(name, *responses[name], sampled=name in sampled, labels=tuple(mine))
        for name, mine in labels.items()
    ]


@dataclass(frozen=True)
class Responses:
    """Labelled responses and their examples, every labelled line kept."""

    labelled: list[Labelled]
    examples: list[Example]


class Examples:
    """Tokenizes labelled responses. Prompt and response apart, as they were sampled."""

    def __init__(self, tokenizer: Any, context: int, problems: Mapping[str, Problem]) -> None:
        self.tokenizer, self.context, self.problems = tokenizer, context, problems
        self._bytes = token_bytes(tokenizer)

    def of(self, response: Labelled, *, neutral_targets: bool) -> Example:
        """Lines with label 0 have target 0, or none; lines beyond the model's context have none.

        Raises BadInput when the response's problem is unknown.
        """
        if response.problem_id not in self.problems:
            raise BadInput(f"response {response.response_id}", f"problem {response.problem_id!r} is unknown")
        prompt = self._encode(self.problems[response.problem_id].prompt)
        written = self._encode(response.text)
        ends = [len(prompt) + end for end in line_end_tokens([self._bytes[token] for token in written])]
        kept = [
            (end, label)
            for end, label in zip(ends, response.labels, strict=False)
            if end < self.context and (label or neutral_targets)
        ]
        return Example(
            (*prompt, *written)[: self.context],
            tuple(end for end, _ in kept),
            tuple(float(label) for _, label in kept),
        )

    def measured(self, responses: list[Labelled]) -> Responses:
        """For metrics: neutral lines are kept."""
        return Responses(responses, [self.of(one, neutral_targets=True) for one in responses])

    def _encode(self, text: str) -> list[int]:
        return list(self.tokenizer.encode(text, add_special_tokens=False))


@dataclass(frozen=True)
class PRMData:
    """Both sides of the split. `train` and `watched` are fitted on and stop the fit; the others are for metrics.

    `trained` and `held_out` are the selected responses of either side, `held_out_all` all labelled ones of held-out
    problems, those that the selection leaves out included.
    """

    train: list[Example]
    watched: list[Example]
    trained: Responses
    held_out: Responses
    held_out_all: Responses


def read_prm_data(
    folders: Iterable[Path],
    problems: Mapping[str, Problem],
    model: Any,
    tokenizer: Any,
    settings: PRMConfig,
) -> PRMData:
    """Labels artifacts as `settings` select and split them, for the language model that the PRM starts from."""
    labelled = [one for folder in folders for one in read_labelled(folder, settings.source)]
    examples = Examples(tokenizer, model.config.max_position_embeddings, problems)
    return split(labelled, select(labelled, settings.selection), examples, settings)


def split(
    labelled: Sequence[Labelled], chosen: Sequence[Labelled], examples: Examples, settings: PRMConfig
) -> PRMData:
    """Hold out a share of the problems. Raises BadInput when the choice leaves too little for that."""
    names = {one.problem_id for one in chosen}
    if len(names) < 2:
        raise BadInput(
            f"prm.selection {settings.selection}",
            f"leaves {len(chosen)} of {len(labelled)} responses, of {len(names)} problems",
            "at least two problems: one is held out",
        )
    held = hold_out(names, settings.validation_share, settings.seed)
    everyone = hold_out({one.problem_id for one in labelled}, settings.validation_share, settings.seed)
    held_all = held | (everyone - names)

    def fitted(responses: Sequence[Labelled]) -> list[Example]:
        made = (examples.of(one, neutral_targets=settings.neutral_targets) for one in responses)
        return [example for example in made if example.ends]

    trained = [one for one in chosen if one.problem_id not in held]
    held_out = [one for one in chosen if one.problem_id in held]
    return PRMData(
        fitted(trained),
        fitted(held_out),
        examples.measured(trained),
        examples.measured(held_out),
        examples.measured([one for one in labelled if one.problem_id in held_all]),
    )
