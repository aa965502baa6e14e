"""Progress in a log: a line when something ends; on a terminal: redrawn in place."""

from __future__ import annotations

import io

from infra.local.display import Display, clock
from infra.local.following import Running, Snapshot

RUNNING = (Running("train_policy psgpo/seed0", 0.25, 90.0, "reward 0.12"),)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def snapshot(ended: dict[str, str], share: float = 0.5) -> Snapshot:
    return Snapshot("running", 65.0, share, 125.0, RUNNING, ended)


def test_a_log_line_for_what_ended_and_none_for_nothing_new() -> None:
    stream = io.StringIO()
    display = Display(stream)
    display.show(snapshot({"sft": "success"}))
    display.show(snapshot({"sft": "success"}))
    display.show(snapshot({"sft": "success", "evaluate sft": "failed"}))
    assert stream.getvalue().splitlines() == [
        "1:05   50%  eta 2:05 | sft done | train_policy psgpo/seed0 25%",
        "1:05   50%  eta 2:05 | evaluate sft failed | train_policy psgpo/seed0 25%",
    ]


def test_before_the_plan_nothing_is_promised() -> None:
    stream = io.StringIO()
    Display(stream).show(Snapshot("running", 4.0, 0.0, None, (), {}))
    assert stream.getvalue() == "0:04    0%  planning\n"


def test_a_terminal_is_redrawn() -> None:
    stream = Terminal()
    display = Display(stream)
    display.show(snapshot({}))
    display.show(snapshot({}))
    display.close()
    first, second = stream.getvalue().split("\r")[1:]
    assert "[###############...............] 1:05   50%  eta 2:05" in first
    assert "train_policy psgpo/seed0            25%  eta 1:30   reward 0.12" in first
    assert second.startswith("\x1b[1A\x1b[J[###")


def test_clock() -> None:
    assert [clock(seconds) for seconds in (0, 59.9, 60, 3661)] == ["0:00", "0:59", "1:00", "61:01"]
