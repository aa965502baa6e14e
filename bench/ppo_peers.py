"""TRL's trainers as peers of `bench/ppo.py`, in an environment of their own: none of TRL is a package of this project.

The second half of this file runs there: `PYTHON ppo_peers.py KIND FOLDER` takes one training step for every line on its
stdin and answers with the step's CPU seconds, so that the peers' steps stand between ours.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

TRL = "1.10.0"  # the last release line that still has PPOTrainer
STEPS = 10_000  # more than anybody asks for


def environment(folder: Path) -> Path:
    """The Python of an environment with TRL beside our torch and transformers; made in `folder` when it is not there."""
    python = folder / "bin" / "python"
    if not (folder / ".installed").exists():
        packages = [
            f"trl=={TRL}",
            # requests: its GRPO trainer imports it and its package does not ask for it
            *(f"{name}=={version(name).split('+')[0]}" for name in ("torch", "transformers", "requests")),
        ]
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run(
            [str(python), "-m", "pip", "install", "--quiet", *packages], check=True, stdout=sys.stderr
        )
        (folder / ".installed").write_text(" ".join(packages))
    return python


class Peer:
    """A trainer in a process of its own. `step()` gives the CPU seconds of one training step."""

    def __init__(self, python: Path, kind: str, model: Path, shape: dict[str, int]) -> None:
        quiet = {"TRL_EXPERIMENTAL_SILENCE": "1", "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            [str(python), __file__, kind, str(model), json.dumps(shape)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**{k: v for k, v in os.environ.items() if k != "PYTHONPATH"}, **quiet},
        )

    def step(self) -> float:
        """Raises RuntimeError when the trainer has died."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with suppress(BrokenPipeError):  # it has died: below
            self.process.stdin.write("step\n")
            self.process.stdin.flush()
        for line in self.process.stdout:
            if line.startswith("seconds "):
                return float(line.split()[1])
        raise RuntimeError(f"the peer ended with code {self.process.wait()}")

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


# ---- what runs in the peer's environment


def main(kind: str, folder: str, shape: str) -> None:
    import torch

    torch.set_num_threads(1)
    trainer = {"ppo": ppo_trainer, "grpo": grpo_trainer}[kind](folder, **json.loads(shape))
    trainer.add_callback(_metronome())
    trainer.train()


def ppo_trainer(folder: str, batch: int, prompt: int, response: int) -> Any:
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer
    from trl.experimental.ppo import PPOConfig, PPOTrainer

    def scorer() -> Any:
        return AutoModelForSequenceClassification.from_pretrained(folder, num_labels=1, dtype="float32")

    policy, reference = (AutoModelForCausalLM.from_pretrained(folder, dtype="float32") for _ in range(2))
    settings = PPOConfig(
        output_dir=f"{folder}/peer",
        per_device_train_batch_size=batch,
        gradient_accumulation_steps=1,
        num_mini_batches=1,
        num_ppo_epochs=1,
        local_rollout_forward_batch_size=batch,
        total_episodes=batch * STEPS,
        response_length=response,
        temperature=1.0,
        num_sample_generations=0,
        **_plain(),
    )
    rows = Dataset.from_dict({"input_ids": [[7] * prompt] * (2 * batch)})
    return PPOTrainer(
        args=settings,
        processing_class=AutoTokenizer.from_pretrained(folder, padding_side="left"),
        model=policy,
        ref_model=reference,
        reward_model=scorer(),
        value_model=scorer(),
        train_dataset=rows,
        eval_dataset=rows,
    )


def grpo_trainer(folder: str, batch: int, prompt: int, response: int) -> Any:
    from datasets import Dataset
    from transformers import AutoTokenizer
    from trl import GRPOConfig, GRPOTrainer

    tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left")
    settings = GRPOConfig(
        output_dir=f"{folder}/peer",
        per_device_train_batch_size=batch,
        gradient_accumulation_steps=1,
        num_generations=8,
        max_completion_length=response,
        max_steps=STEPS,
        beta=0.03,  # with a reference model, as PPO has one
        temperature=1.0,
        generation_kwargs={"min_new_tokens": response},
        **_plain(),
    )

    def reward(completions: list[str], **_: Any) -> list[float]:
        return [float(i % 3 == 0) for i in range(len(completions))]

    rows = Dataset.from_dict({"prompt": [tokenizer.decode([7] * prompt)] * (2 * batch)})
    return GRPOTrainer(
        model=folder, reward_funcs=reward, args=settings, train_dataset=rows, processing_class=tokenizer
    )


def _plain() -> dict[str, Any]:
    return {
        "use_cpu": True,
        "bf16": False,
        "gradient_checkpointing": False,
        "report_to": "none",
        "save_strategy": "no",
        "disable_tqdm": True,
        "logging_steps": 1000,
        "learning_rate": 3e-4,
    }


def _metronome() -> Any:
    from transformers import TrainerCallback

    class Metronome(TrainerCallback):
        """Waits for a line on stdin before every step, and says what the step has cost."""

        def __init__(self) -> None:
            self.started = 0.0

        def on_train_begin(self, *_: Any, **__: Any) -> None:
            self._wait()

        def on_step_end(self, *_: Any, **__: Any) -> None:
            print(f"seconds {time.process_time() - self.started}", flush=True)
            self._wait()

        def _wait(self) -> None:
            if not sys.stdin.readline():
                os._exit(0)
            self.started = time.process_time()

    return Metronome()


if __name__ == "__main__":
    main(*sys.argv[1:])
