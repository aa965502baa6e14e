"""The two ways a stage stops on purpose. Everything else that is raised is a crash.

The exit codes are the stage contract (`tasks/stages/stage.py`): 0 done, 64 bad configuration or bad
data (never retried), 75 try again (checkpointed).
"""

from __future__ import annotations

EXIT_BAD_INPUT = 64
EXIT_TRY_AGAIN = 75


class BadInput(ValueError):
    """Bad configuration or bad data: refused before anything is spent; exit code 64, never retried.

    `where` names the key, or the file and row; `problem` says what is wrong; `allowed` says what is allowed.
    """

    def __init__(self, where: str, problem: str, allowed: str = "") -> None:
        self.where, self.problem, self.allowed = where, problem, allowed
        super().__init__(f"{where}: {problem}" + (f"; allowed: {allowed}" if allowed else ""))


class TryAgain(RuntimeError):
    """The stage was interrupted and has saved a checkpoint; exit code 75, a retry goes on from there."""
