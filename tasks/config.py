"""One configuration tree, frozen; profiles are YAML files in `tasks/profiles`.

The Airflow trigger form, the command-line help and `docs/configuration.md` are generated from this file. Every
leaf has a dotted key (`ppo.learning_rate`). An unknown key, a wrong type or an impossible combination is refused before
anything is spent, naming the key and what is allowed (`BadInput`, exit code 64). `tasks/profiles` reads profiles, files and
overrides into this tree.

Defaults here are the `demo` profile's; a profile lists only what differs. A stage declares which sections it reads
(`tasks/stages/stage.py`), so that a change elsewhere leaves its cached artifact valid.
"""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from tasks.errors import BadInput

Positive = Annotated[int, Field(ge=1)]
NonNegative = Annotated[float, Field(ge=0)]
Rate = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Temperature = Annotated[float, Field(ge=0, le=5)]


class Section(BaseModel):
    """A frozen part of the tree; unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class TinyModelConfig(Section):
    """The embedded default's base model: Qwen2 architecture, random weights, own tokenizer."""

    vocabulary: int = Field(768, ge=300, le=8192, description="entries of the byte-pair tokenizer")
    layers: Positive = 2
    width: int = Field(128, ge=16, description="hidden size; a multiple of heads")
    heads: Positive = 4
    context: int = Field(512, ge=64, description="longest prompt plus response, tokens")

    @model_validator(mode="after")
    def _width_divides(self) -> TinyModelConfig:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} must be a multiple of heads {self.heads}")
        return self


class ModelConfig(Section):
    """What to train."""

    source: str = Field("tiny", description="`tiny`: a small model made on the spot; else a path or hub id")
    revision: str = Field("", description="hub revision; empty: the default branch")
    seed: int = Field(0, ge=0, description="initial weights of the tiny model")
    tiny: TinyModelConfig = TinyModelConfig()


class DataConfig(Section):
    """Training problems."""

    source: str = Field("stepcode", description="`stepcode`, or a problems file (.jsonl or .parquet)")
    domain: Literal["lists", "strings", "records"] = Field(
        "lists",
        description="what StepCode programs work on",
        exclude_if=lambda value: value == "lists",  # what was made before the setting keeps its digest
    )
    seed: int = Field(0, ge=0)
    train_problems: Positive = 4000
    validation_problems: Positive = 300
    test_problems: Positive = 300
    confirmation_problems: int = Field(
        0,
        ge=0,
        description="StepCode: a fourth split, whose step combinations training then leaves out (`docs/study.md`)",
        exclude_if=lambda value: value == 0,
    )
    steps_min: int = Field(1, ge=1, le=8, description="fewest steps of a StepCode problem")
    steps_max: int = Field(7, ge=1, le=8, description="most steps of a StepCode problem")
    wrong_line_min: Share = Field(
        0.15, description="lowest wrong-line rate of an operation in demonstrations"
    )
    wrong_line_max: Share = Field(
        0.7, description="highest wrong-line rate of an operation in demonstrations"
    )

    @model_validator(mode="after")
    def _ranges(self) -> DataConfig:
        if self.steps_min > self.steps_max:
            raise ValueError(f"steps_min {self.steps_min} must not exceed steps_max {self.steps_max}")
        if self.wrong_line_min > self.wrong_line_max:
            raise ValueError("wrong_line_min must not exceed wrong_line_max")
        return self


class SFTConfig(Section):
    """Supervised fine-tuning on the demonstrations."""

    epochs: Positive = 7
    batch_size: Positive = 32
    learning_rate: Rate = 2e-3
    warmup: Share = Field(0.05, description="share of steps with rising learning rate")
    weight_decay: NonNegative = 0.01
    seed: int = Field(0, ge=0)
    checkpoint_every: Positive = Field(100, description="optimiser steps between checkpoints")
    threads: Positive = Field(
        2, description="CPU threads: the whole run waits for this stage, no other job needs them"
    )


class MonitorConfig(Section):
    """What is done when a run goes wrong; `docs/training.md` tells the rules. A loss that is not finite always stops."""

    on_hack: Literal["off", "warn", "lower", "stop"] = Field(
        "warn", description="the PRM return rises while the pass rate falls; `lower` halves both lambdas"
    )
    on_kl: Literal["off", "warn", "stop"] = Field("stop", description="the KL exceeds kl_limit")
    on_constant: Literal["off", "warn", "stop"] = Field(
        "warn", description="the mean reward has not changed for constant_steps"
    )
    window: int = Field(8, ge=3, description="steps whose means the hack rule compares")
    kl_limit: Rate = Field(100.0, description="nats per response")
    constant_steps: int = Field(20, ge=2)


class PPOConfig(Section):
    """Policy optimisation; the same for the baseline and for every arm, so that arms compare."""

    steps: Positive = Field(30, description="policy updates")
    long_steps: Positive = Field(
        80, description="policy updates of the arm rl_long: about the PRM arms' total compute"
    )
    batch_size: Positive = Field(40, description="responses per step")
    responses_per_problem: Positive = Field(1, description="responses sampled for each problem of a batch")
    learning_rate: Rate = 3e-4
    critic_learning_rate: Rate = 1e-3
    epochs: Positive = Field(1, description="passes over a batch")
    minibatches: Positive = Field(1, description="optimiser steps per pass")
    kl_coefficient: NonNegative = Field(
        0.03, description="beta: weight of the per-token KL to the SFT policy"
    )
    kl_target: NonNegative = Field(
        0.0, description="nats per response that an adaptive beta steers at; 0: beta stays fixed"
    )
    clip: Rate = Field(0.2, description="ratio clip")
    value_clip: Rate = 0.2
    value_coefficient: NonNegative = 1.0
    gamma: Share = 1.0
    gae_lambda: Share = 0.95
    max_gradient_norm: Rate = 1.0
    temperature: Temperature = 1.0
    max_new_tokens: Positive = 192
    tokens_per_micro_batch: Positive = Field(
        1024, description="prompt and response tokens, padding included, in one forward pass: bounds memory"
    )
    difficulty_min: int = Field(4, ge=0, description="easiest training problems of the arms")
    difficulty_max: int = Field(6, ge=0, description="hardest training problems of the arms")
    checkpoint_every: Positive = Field(10, description="steps between resumable checkpoints")
    max_no_verdict: Share = Field(0.1, description="share of responses without verdict that stops the run")
    monitors: MonitorConfig = MonitorConfig()


class BaselineConfig(Section):
    """The RL run whose checkpoints supply the process supervision data (section 3 of the paper)."""

    steps: Positive = 30
    checkpoints: Positive = Field(4, description="evenly spaced checkpoints kept")
    difficulty_min: int = Field(3, ge=0)
    difficulty_max: int = Field(6, ge=0)


class RewardConfig(Section):
    """Dense reward r_m = lambda * (1/T) * R_phi(x, y^(<=m)) and the two hack fixes."""

    lambda_fail: NonNegative = 0.25
    lambda_pass: NonNegative = 0.025
    divide_by_lines: bool = Field(True, description="the 1/T fix")
    neutral_lines: bool = Field(True, description="comment, blank and docstring lines earn nothing")
    process: Literal["score", "progress"] = Field(
        "score",
        description="what a line earns: its PRM score | what the score gained since the line before",
        exclude_if=lambda value: value == "score",  # what was made before the setting keeps its digest
    )


class SampleConfig(Section):
    """Responses sampled from each baseline checkpoint."""

    source: Literal["baseline", "sft"] = Field(
        "baseline",
        description="who writes them: the checkpoints, or in place of each of them the SFT policy",
        exclude_if=lambda value: value == "baseline",  # what was made before the setting keeps its digest
    )
    problems: Positive = Field(120, description="problems per checkpoint")
    responses_per_problem: Positive = Field(2, description="n")
    temperature: Temperature = 1.0
    difficulty_min: int = Field(3, ge=0)
    difficulty_max: int = Field(6, ge=0)
    seed: int = Field(0, ge=0)


class LabelConfig(Section):
    """Prefix labels by binary search with best-of-K completions."""

    completions: Positive = Field(8, description="K: completions per probe")
    temperature: Temperature = 1.0
    completer: Literal["own", "final", "sft", "reference"] = Field(
        "own",
        description="which checkpoint completes; `reference`: the rest of the reference solution, an oracle",
    )
    neutral_lines: bool = Field(True, description="label comment, blank and docstring lines 0")
    probe_empty_prefix: bool = Field(False, description="test whether the empty prefix is recoverable")
    shard_size: Positive = Field(256, description="responses advanced together; the most a kill can lose")
    edits_per_problem: int = Field(
        0, ge=0, description="edited reference solutions per problem as a second source of labels (PRLCoder)"
    )
    audit_share: Share = Field(0.01, description="share of responses labelled exhaustively as a check")
    seed: int = Field(0, ge=0)


class PRMConfig(Section):
    """Process reward model."""

    selection: Literal["full", "remove_hard", "medium_only", "revised_only"] = "revised_only"
    source: Literal["search", "mutation", "both"] = Field("search", description="which labels to fit")
    init: Literal["sft", "baseline"] = Field("sft", description="which model the PRM starts from")
    neutral_targets: bool = Field(True, description="neutral lines count with target 0 (the paper)")
    epochs: Positive = 6
    batch_size: Positive = 32
    learning_rate: Rate = 1e-3
    weight_decay: NonNegative = 0.01
    validation_share: Annotated[float, Field(gt=0, lt=1)] = 0.15
    patience: Positive = Field(2, description="epochs without better held-out loss before stopping")
    seed: int = Field(0, ge=0)


class PRMCheckConfig(Section):
    """The PRM on programs of a policy that was trained with it (`check_prm`)."""

    responses: int = Field(90, ge=0, description="responses that are labelled for it; 0: not checked")
    seed: int = Field(0, ge=0)


ArmName = Literal[
    "rl", "rl_long", "dense", "value_init", "psgpo", "fraction_of_tests", "rltf", "random_prm", "prime"
]


class ArmsConfig(Section):
    """Which arms to train, and over how many seeds."""

    arms: tuple[ArmName, ...] = Field(
        ("rl", "rl_long", "dense", "value_init", "psgpo"),
        description="what is trained from the same start and compared; the others are held against `rl`",
    )
    n_seeds: Positive = Field(
        2,
        description="how often each arm is trained, with other random numbers; from 3 on their spread says something",
    )
    long_seeds: Positive = Field(1, description="seeds of rl_long, which costs several times an arm")

    @model_validator(mode="after")
    def _distinct(self) -> ArmsConfig:
        if not self.arms or len(set(self.arms)) != len(self.arms):
            raise ValueError("arms must be a non-empty list without repeats")
        return self


class ValueInitConfig(Section):
    """How the critic starts when an arm starts it from the PRM (section 3.3; details are our choice)."""

    method: Literal["copy", "affine", "calibrate", "refit", "trunk"] = Field(
        "calibrate",
        description="head copied as is | mapped from [-1, 1] to the range of returns | scaled and shifted to the returns of "
        "graded SFT responses | re-fitted to them | at zero: only the trunk is the PRM's",
    )
    responses: Positive = Field(120, description="SFT responses that calibrate and refit look at")


BenchmarkName = Literal["humaneval", "mbpp", "livecodebench", "stepcode"]


class EvaluationConfig(Section):
    """How a benchmark is put to a model."""

    samples: Positive = Field(2, description="n samples per problem")
    temperature: Temperature = Field(0.2, description="0: greedy")
    max_new_tokens: Positive = 224
    split: Literal["test", "validation", "confirmation"] = Field(
        "test", description="which problems are asked", exclude_if=lambda value: value == "test"
    )
    problems: int = Field(150, ge=0, description="problems of the split used, in file order; 0: all")
    seed: int = Field(0, ge=0)
    style: Literal["base", "chat"] = Field(
        "base", description="`base`: the model continues the prompt; `chat`: it is asked by its chat template"
    )
    mbpp_prompt: Literal["three_shot", "docstring"] = Field(
        "three_shot", description="MBPP, base models: three solved examples, or a docstring with one test"
    )
    refuse_contaminated: bool = Field(
        False, description="no score when the model's training problems hold a benchmark problem"
    )
    shard_size: Positive = Field(256, description="samples drawn together; the most a kill can lose")


class BenchmarkConfig(Section):
    """Which problems a benchmark artifact holds, and where their file comes from (`psgpo_evaluate`)."""

    name: BenchmarkName = "humaneval"
    source: str = Field(
        "hub",
        description="`hub`: the pinned data sets of the Hugging Face hub; else a file, or a folder with the files",
    )
    mbpp_set: Literal["full", "sanitized"] = "full"
    livecodebench_release: Literal["v1", "v2", "v3", "v4", "v5", "v6"] = Field(
        "v6", description="releases are cumulative"
    )
    date_from: str = Field("", description="LiveCodeBench: first contest date, YYYY-MM-DD; empty: all")
    date_to: str = Field("", description="LiveCodeBench: last contest date, YYYY-MM-DD; empty: all")
    stepcode_problems: Positive = Field(300, description="StepCode: test problems")
    stepcode_seed: int = Field(0, ge=0, description="StepCode: which test problems")

    @model_validator(mode="after")
    def _window(self) -> BenchmarkConfig:
        for name in ("date_from", "date_to"):
            if text := getattr(self, name):
                try:
                    date.fromisoformat(text)
                except ValueError as error:
                    raise ValueError(f"{name} {text!r} is no date; YYYY-MM-DD") from error
        if self.date_from and self.date_to and self.date_from > self.date_to:
            raise ValueError(f"date_from {self.date_from} is after date_to {self.date_to}")
        return self


class CompareConfig(Section):
    """What `psgpo_evaluate` compares: every model on every benchmark."""

    models: tuple[str, ...] = Field(
        (),
        description="folders, hub ids (`NAME/MODEL`, `NAME/MODEL@REVISION`), artifact addresses, or registered models "
        "(`champion`, `psgpo-policy@challenger`, `models:/psgpo-policy/3`)",
    )
    benchmarks: tuple[BenchmarkName, ...] = ("humaneval", "mbpp")
    with_champion: bool = Field(True, description="evaluate the champion, too, if there is one")

    @model_validator(mode="after")
    def _distinct(self) -> CompareConfig:
        for name in ("models", "benchmarks"):
            if len(set(getattr(self, name))) != len(getattr(self, name)):
                raise ValueError(f"{name} must not repeat")
        return self


class SandboxConfig(Section):
    """How generated code is run; see `docs/sandbox.md`."""

    isolation: Literal["namespaces", "container", "process"] = "namespaces"
    workers: Positive = 1
    cpu_seconds: Rate = 2.0
    wall_seconds: Rate = 30.0
    memory_mb: Positive = 512


class ValidationConfig(Section):
    """What the data gate allows; see `docs/guide.md`."""

    licences: tuple[str, ...] = Field(
        (
            "0BSD",
            "Apache-2.0",
            "BSD-2-Clause",
            "BSD-3-Clause",
            "CC-BY-3.0",
            "CC-BY-4.0",
            "CC0-1.0",
            "ISC",
            "MIT",
            "Unlicense",
        ),
        description="licences of problems that may be trained on; one that is not known is a warning",
    )
    quarantine: Share = Field(
        0.02,
        description="largest share of problems that may be put aside because their references hang, eat memory or change "
        "their verdict, rounded up; above it the run stops",
        exclude_if=lambda value: value == 0.02,  # what was made before the setting keeps its digest
    )


class BudgetConfig(Section):
    """What a run may spend."""

    job_minutes: NonNegative = Field(
        0.0, description="minutes of jobs, added up; when they are spent no new cell starts. 0: no limit"
    )


class PromotionConfig(Section):
    """When a candidate becomes champion; see `docs/guide.md`."""

    least_lead: float = Field(
        0.0,
        ge=-1,
        le=1,
        description="the 95 % interval of the lead over the champion must lie above this (pass@1, 0 to 1)",
    )
    approval: bool = Field(False, description="a person approves it in Airflow before the champion changes")
    approved: Literal["not_asked", "yes", "no"] = Field(
        "not_asked", description="set by the DAG: what the person said"
    )


class ResourcesConfig(Section):
    """What a stage that can use several processes is given (`sft`, `train_policy`); no artifact depends on it."""

    processes: Positive = Field(
        1, description="processes on one host, with GPUs one each; more than 1: DeepSpeed"
    )
    zero: Literal[1, 2, 3] = Field(2, description="DeepSpeed ZeRO stage: what the processes share out")


class CellConfig(Section):
    """Which cell of the run a job is: set by the DAG, or by hand with `--set cell.arm=psgpo`."""

    arm: ArmName | Literal["", "sft", "baseline"] = ""
    model: str = Field("", description="name of the model in a comparison; used in place of the arm")
    seed: int = Field(0, ge=0)
    checkpoint: int = Field(0, ge=0, description="which baseline checkpoint, 1 = earliest")


class RunConfig(Section):
    """The whole tree."""

    profile: str = "demo"
    model: ModelConfig = ModelConfig()
    data: DataConfig = DataConfig()
    sft: SFTConfig = SFTConfig()
    ppo: PPOConfig = PPOConfig()
    baseline: BaselineConfig = BaselineConfig()
    reward: RewardConfig = RewardConfig()
    sample: SampleConfig = SampleConfig()
    labels: LabelConfig = LabelConfig()
    prm: PRMConfig = PRMConfig()
    prm_check: PRMCheckConfig = PRMCheckConfig()
    arms: ArmsConfig = ArmsConfig()
    value_init: ValueInitConfig = ValueInitConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    benchmark: BenchmarkConfig = BenchmarkConfig()
    compare: CompareConfig = CompareConfig()
    sandbox: SandboxConfig = SandboxConfig()
    validation: ValidationConfig = ValidationConfig()
    budget: BudgetConfig = BudgetConfig()
    promotion: PromotionConfig = PromotionConfig()
    resources: ResourcesConfig = ResourcesConfig()
    cell: CellConfig = CellConfig()


def validate_config(tree: Mapping[str, Any]) -> RunConfig:
    """Check a nested mapping; the first fault is raised as BadInput with its dotted key."""
    try:
        return RunConfig.model_validate(tree)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in fault["loc"]) or "configuration"
        # not repr: a few lines of YAML with aliases stand for gigabytes
        got = reprlib.repr(fault["input"])[:80]
        raise BadInput(key, f"{fault['msg']} (got {got})", _allowed(fault["loc"])) from error


def _allowed(location: tuple[Any, ...]) -> str:
    """What may stand at a key: the names of its section, or the leaf's own type and bounds."""
    model: type[BaseModel] = RunConfig
    for part in location:
        field = model.model_fields.get(str(part))
        if field is None:
            return "one of " + ", ".join(model.model_fields)
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            model = field.annotation
            continue
        bounds = " ".join(str(bound) for bound in field.metadata)
        name = str(field.annotation).replace("typing.", "").removeprefix("<class '").removesuffix("'>")
        return f"{name} {bounds}".strip()
    return "a mapping of " + ", ".join(model.model_fields)
