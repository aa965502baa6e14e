"""A fitted PRM as a function from programs to line rewards, for pages that show programs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tasks.reporting.browser import LineRewards


def line_rewards_of(folder: Path) -> LineRewards:
    """Scores in [-1, 1] by the PRM in `folder`; texts that do not fit its context get none."""
    from transformers import PreTrainedTokenizerFast

    from tasks.method.lines import line_end_tokens
    from tasks.method.prm import score_lines
    from tasks.method.value_model import ValueModel
    from tasks.sampling.models import limit_threads
    from tasks.sampling.tokenizer import token_bytes

    limit_threads()
    model, tokenizer = ValueModel.load(folder), PreTrainedTokenizerFast.from_pretrained(folder)
    pieces, room = token_bytes(tokenizer), model.trunk.config.max_position_embeddings

    def rewards(prompt: str, texts: Sequence[str]) -> list[list[float]]:
        start = tokenizer.encode(prompt, add_special_tokens=False)
        answers = [tokenizer.encode(text, add_special_tokens=False)[: room - len(start)] for text in texts]
        ends = [line_end_tokens([pieces[token] for token in answer]) for answer in answers]
        return score_lines(
            model,
            [[*start, *answer] for answer in answers],
            [[len(start) + end for end in row] for row in ends],
        )

    return rewards
