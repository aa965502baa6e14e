"""The base model as an artifact: a tiny one made on the spot, or a published one copied in.

in: problems (for `tiny`: its tokenizer is trained on them)      out: a transformers checkpoint

`model.source` is `tiny`, a folder, or a hub id. Everything after this stage treats them alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from tasks.config import ModelConfig
from tasks.errors import BadInput
from tasks.problems import read_problems
from tasks.rows import DEMONSTRATIONS, read_rows
from tasks.stages.stage import RestrictedConfig, Stage, StageContext
from tasks.store import hash_files


def run(context: StageContext) -> Mapping[str, float]:
    from tasks.sampling.models import load_language_model, save_language_model, tiny_language_model
    from tasks.sampling.tokenizer import train_tokenizer

    settings: ModelConfig = context.config.model
    if settings.source == "tiny":
        problems = context.optional_input("problems")
        if problems is None:
            raise BadInput(
                "--input problems", "is missing for the tiny model, whose tokenizer is trained on them"
            )
        tokenizer = train_tokenizer(_texts(problems.path), settings.tiny.vocabulary, settings.tiny.context)
        model = tiny_language_model(settings.tiny, tokenizer, settings.seed)
    else:
        model, tokenizer = load_language_model(settings.source, settings.revision)
    save_language_model(model, tokenizer, context.output)
    return {"parameters": model.num_parameters(), "vocabulary": len(tokenizer)}


def _texts(folder: Path) -> Iterator[str]:
    """Prompts, references and demonstrations: wrong lines are to be as short in tokens as right ones."""
    for problem in read_problems(folder, "train"):
        yield problem.prompt
        yield problem.reference or ""
    for row in read_rows(DEMONSTRATIONS, folder / "demonstrations.parquet"):
        yield row["text"]


def _checkpoint_files(config: RestrictedConfig) -> Mapping[str, str]:
    """A local folder is known by its content; a hub id by its revision."""
    folder = Path(config.model.source).expanduser()
    return hash_files(folder) if folder.is_dir() else {}


STAGE = Stage(
    name="prepare_model",
    kind="model",
    version=1,
    sections=("model",),
    inputs={"problems?": "problems"},
    run=run,
    reads=_checkpoint_files,
)
