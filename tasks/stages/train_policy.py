"""Policy optimisation: the RL baseline, or one arm with one seed (sections 3.1 and 3.3 of the paper).

in: problems, sft (the policy it starts from), prm (arms that need one)
out: policy/, checkpoints/1..N/ (baseline only), curves.json

Every arm starts from the SFT policy; problems and random streams depend on `cell.seed` and the step alone, so that arms
of one seed see the same problems and draw the same first batch. The state of a run is its checkpoint: killed anywhere
and run again it gives the same files.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.config import BaselineConfig, PPOConfig
from tasks.errors import BadInput, TryAgain
from tasks.problems import read_problems
from tasks.stages.stage import Stage, StageContext

if TYPE_CHECKING:
    from tasks.method.monitors import Alarm
    from tasks.method.ppo import PPO
    from tasks.method.rollout import Response
    from tasks.stages.training import Work


def run(context: StageContext) -> Mapping[str, float]:
    from tasks.method.engines import join
    from tasks.sampling.engine import Sampler
    from tasks.sampling.models import limit_threads, load_language_model
    from tasks.stages.sandboxes import open_sandbox
    from tasks.stages.training import Work, make_trainer

    limit_threads()
    plan = plan_of(context)
    join()
    problems = read_problems(context.input("problems").path, "train", plan.difficulty)
    model, tokenizer = load_language_model(context.input("sft").path)
    sampler = Sampler(model, tokenizer, batch_size=context.config.ppo.batch_size)
    with open_sandbox(context.config.sandbox) as sandbox:
        work = Work(context, plan.arm, plan.seed, problems, sampler, sandbox)
        trained = Run(work, plan, make_trainer(work, model))
        trained.resume()
        trained.train()
    trained.save_policy(context.output / "policy")
    (context.output / "curves.json").write_text(json.dumps(trained.curves, indent=0))
    return _summary(trained.curves)


@dataclass(frozen=True)
class Plan:
    """What `cell.arm` makes of the configuration. `keep`: after which steps the policy is kept, in order."""

    arm: str
    seed: int
    steps: int
    difficulty: tuple[int, int]
    keep: tuple[int, ...]


def plan_of(context: StageContext) -> Plan:
    """Raises BadInput when the cell names no arm, or an arm that needs a PRM that was not given."""
    from tasks.method.arms import ARMS

    ppo: PPOConfig = context.config.ppo
    baseline: BaselineConfig = context.config.baseline
    arm, seed = context.config.cell.arm, context.config.cell.seed
    if arm not in ARMS:
        raise BadInput(f"cell.arm {arm!r}", "names no arm", ", ".join(ARMS))
    if ARMS[arm].needs_prm and context.optional_input("prm") is None:
        raise BadInput("--input prm", f"is missing for arm {arm}", "prm=URI of a prm artifact")
    if ppo.temperature == 0:
        raise BadInput("ppo.temperature", "is 0: a policy that does not explore cannot improve", "above 0")
    if arm == "baseline":
        count = baseline.checkpoints
        keep = tuple(baseline.steps * number // count for number in range(1, count + 1))
        return Plan(arm, seed, baseline.steps, (baseline.difficulty_min, baseline.difficulty_max), keep)
    steps = ppo.long_steps if arm == "rl_long" else ppo.steps
    return Plan(arm, seed, steps, (ppo.difficulty_min, ppo.difficulty_max), ())


class Run:
    """A training run: where it stands, its steps, and how it is saved and found again."""

    def __init__(self, work: Work, plan: Plan, trainer: PPO) -> None:
        self.work, self.plan, self.trainer = work, plan, trainer
        self.context = work.context
        self.step = 0
        self.curves: list[dict[str, float]] = []

    def train(self) -> None:
        """All remaining steps. Raises TryAgain when SIGTERM comes, or when the sandbox fails too often."""
        from tasks.method.ranks import any_rank

        every = self.context.config.ppo.checkpoint_every
        while self.step < self.plan.steps:
            metrics = self._one_step()
            if self.step % every == 0 and self.step < self.plan.steps:
                self.save()
            self.context.stop.requested = any_rank(self.context.stop.requested)
            self.context.stop.check(self.save)
            note = f"reward {metrics['train/reward']:.3f} pass {metrics['train/pass_rate']:.3f}"
            self.context.progress(self.step, self.plan.steps, note)

    def _act_on(self, alarms: Sequence[Alarm]) -> None:
        """Warn, lower lambda, or stop: BadInput, because another try would end at the same step in the same way."""
        where = f"train_policy {self.plan.arm}/seed{self.plan.seed} step {self.step}"
        for alarm in alarms:
            self.context.tracker.tag({f"alarm.{alarm.rule}": f"step {self.step}: {alarm.text}"})
            if alarm.action == "stop":
                raise BadInput(where, alarm.text, f"to go on, ppo.monitors.on_{alarm.rule}=warn")
            print(f"warning: {where}: {alarm.text}", file=sys.stderr, flush=True)
            if alarm.action == "lower":
                self.trainer.lambda_scale /= 2

    def _one_step(self) -> dict[str, float]:
        from tasks.method.monitors import alarms
        from tasks.stages.training import collect_step

        settings: PPOConfig = self.context.config.ppo
        started = time.monotonic()
        responses, timing = collect_step(self.work, self.step, settings.batch_size)
        tokens, drawn, judged = _counts(responses)
        blind = 1 - judged / drawn
        if blind > settings.max_no_verdict:
            raise TryAgain(f"step {self.step}: the sandbox gave no verdict for {blind:.0%} of the responses")
        try:
            metrics, seconds = self.trainer.step(responses, self.step)
        except (
            ArithmeticError
        ) as error:  # nothing is saved: the last checkpoint is whole, and another try ends here
            raise BadInput(
                f"train_policy {self.plan.arm}", str(error), "a lower ppo.learning_rate"
            ) from error
        self.trainer.policy.copy_weights(self.work.sampler.model)
        self.step += 1
        found = alarms([*self.curves, metrics], settings.monitors)
        metrics["train/hack_alarm"] = float(any(alarm.rule == "hack" for alarm in found))
        self.curves.append({"step": self.step, **metrics})
        if self.step in self.plan.keep:
            number = self.plan.keep.index(self.step) + 1
            self.save_policy(self.context.output / "checkpoints" / str(number))
        taken = time.monotonic() - started
        seconds |= {"time/generate": timing.generate, "time/sandbox_wait": timing.wait, "time/step": taken}
        seconds["time/tokens_per_second"] = tokens / taken
        self.context.tracker.log(metrics | seconds, self.step)
        self._act_on(found)
        return metrics

    def save_policy(self, folder: Path) -> None:
        """The policy as it is now, as an ordinary checkpoint."""
        from tasks.sampling.models import save_language_model

        save_language_model(self.work.sampler.model, self.work.sampler.tokenizer, folder)

    def save(self) -> None:
        """Publish a resumable checkpoint: both engines, the curves, the policies kept so far."""
        trainer = self.trainer
        state = {
            "curves": self.curves,
            "kl_coefficient": trainer.kl_coefficient,
            "lambda_scale": trainer.lambda_scale,
        }

        def write(folder: Path) -> None:
            for name, engine in trainer.engines.items():
                engine.save(folder / name)
            (folder / "state.json").write_text(json.dumps(state))
            _copy(self.context.output / "checkpoints", folder / "kept")

        self.context.checkpoints.save(self.step, write)

    def resume(self) -> None:
        """Go on from the newest checkpoint, if there is one."""
        latest = self.context.checkpoints.latest()
        if latest is None:
            return
        self.step, folder = latest
        for name, engine in self.trainer.engines.items():
            engine.load(folder / name)
        self.trainer.policy.copy_weights(self.work.sampler.model)
        state = json.loads((folder / "state.json").read_text())
        self.curves = state["curves"]
        self.trainer.kl_coefficient, self.trainer.lambda_scale = (
            state["kl_coefficient"],
            state["lambda_scale"],
        )
        _copy(folder / "kept", self.context.output / "checkpoints")


def _counts(responses: Sequence[Response]) -> list[int]:
    """Tokens, responses, and responses with a verdict, of all processes."""
    import torch

    from tasks.method.ranks import total

    tokens = sum(len(response.tokens) for response in responses)
    judged = sum(response.judged for response in responses)
    return total(torch.tensor([tokens, len(responses), judged])).tolist()


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target)


def _summary(curves: list[dict[str, Any]]) -> dict[str, float]:
    """Means over the last quarter of the run: one step alone is noise."""
    last = curves[-max(1, len(curves) // 4) :]
    names = ("train/reward", "train/pass_rate", "train/kl", "train/response_tokens", "train/lines")
    return {name.removeprefix("train/"): sum(row[name] for row in last) / len(last) for name in names}


STAGE = Stage(
    name="train_policy",
    kind="policy",
    version=2,
    sections=("ppo", "baseline", "reward", "value_init", "sandbox", "cell"),
    inputs={"problems": "problems", "sft": "model", "prm?": "prm"},
    run=run,
    distributed=True,
)
