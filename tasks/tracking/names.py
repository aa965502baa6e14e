"""Every metric that is logged over steps or on the parent run, with its meaning; `docs/metrics.md` is made from this.

Besides these, a stage logs its summary once at its end as `<stage>/<name>` (the `metrics` of its envelope).
"""

from __future__ import annotations

METRICS: dict[str, str] = {
    "sft/loss": "mean cross entropy per response token over the last epoch, nats",
    "sft/learning_rate": "learning rate of the last update",
    "train/reward": "mean reward of a response: outcome plus dense rewards, without the KL penalty",
    "train/pass_rate": "share of the batch's responses that pass all tests",
    "train/no_verdict_share": "share of responses the sandbox could not judge; they are left out of the update",
    "train/finished_share": "share of responses that ended by themselves, not at the token limit",
    "train/response_tokens": "mean tokens of a response, end of text included",
    "train/lines": "mean lines of a response; rises when extra lines are rewarded (a hack)",
    "train/comment_share": "share of neutral lines (comment, blank, docstring); rises when comments are rewarded (a hack)",
    "train/prm_return": "mean over responses of the process reward's sum over lines before lambda: scores clamped to "
    "[-1, 1], divided by T and without neutral lines where `reward` says so (arm prime: sum of token rewards); 0 for arms "
    "without process reward; rising while train/pass_rate falls is a hack",
    "train/lambda_scale": "what the monitors have left of both lambdas, 1 at the start",
    "train/hack_alarm": "1 where the PRM return has risen while the pass rate has fallen, else 0",
    "train/implicit_loss": "arm prime: cross entropy of the outcome under the implicit reward model, nats",
    "train/kl": "mean KL estimate of a response to the SFT policy, nats",
    "train/kl_coefficient": "beta, weight of the KL penalty",
    "train/entropy": "mean entropy of the policy per response token, nats",
    "train/explained_variance": "1 - Var(return - value) / Var(return); 1: the critic predicts every return",
    "train/policy_loss": "clipped surrogate loss per token",
    "train/value_loss": "clipped squared error of the critic per token",
    "train/approx_kl": "KL estimate per token between the policy before and after the update, nats",
    "train/clip_fraction": "share of tokens whose ratio was clipped",
    "train/ratio_max": "largest probability ratio of the update",
    "prm/loss": "mean squared error on training lines, by epoch",
    "prm/held_out_loss": "mean squared error on lines of held-out problems, by epoch",
    "eval/pass_at_1": "unbiased pass@1 over the benchmark's problems",
    "eval/pass_at_5": "unbiased pass@5, where there are 5 samples or more per problem",
    "eval/pass_at_10": "unbiased pass@10, where there are 10 samples or more per problem",
    "eval/pass_at_100": "unbiased pass@100, where there are 100 samples or more per problem",
    "eval/no_verdict": "samples the sandbox could not judge",
    "eval/excluded": "problems of the split that were put aside before the run and not asked, where there are any",
    "time/generate": "seconds of a step spent sampling",
    "time/sandbox_wait": "seconds of a step spent waiting for verdicts after sampling was done",
    "time/score": "seconds of a step spent on log-probabilities, values and the PRM",
    "time/update": "seconds of a step spent on gradients",
    "time/step": "seconds of a whole step",
    "time/tokens_per_second": "sampled tokens per second of a step",
}

SUMMARY: dict[str, str] = {
    "pass_at_1/<arm>": "pass@1, mean over seeds and problems",
    "pass_at_1_low/<arm>": "lower end of its 95 % interval",
    "pass_at_1_high/<arm>": "upper end of its 95 % interval",
    "gain/<arm>": "difference from the arm `rl`, paired by problem",
    "iqm/<arm>": "interquartile mean of pass@1 over seeds: the lowest and the highest quarter of them left out",
    "standard_error/<arm>": "standard error of pass@1 over seeds; 0 for a single seed",
    "best_pass_rate/<arm>": "highest mean over seeds of the pass rate on training batches so far (running mean)",
    "best_update/<arm>": "policy update at which that was reached, 1 = first",
    "plan/expected_seconds": "how long the run was expected to take",
    "plan/seconds": "how long it took",
}
"""What the parent run has once it is over; `<arm>` is an arm's or an evaluated model's name."""
