"""Large transfers say how far they are, small ones nothing."""

from __future__ import annotations

import io

from tasks.store.progress import LARGE_BYTES, TransferProgress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_small_transfer_says_nothing() -> None:
    log = io.StringIO()
    TransferProgress("up key", 1000, log)(1000)
    assert log.getvalue() == ""


def test_a_large_one_ends_with_its_size_and_rate() -> None:
    log = io.StringIO()
    progress = TransferProgress("up key", 2 * LARGE_BYTES, log)
    for _ in range(4):
        progress(LARGE_BYTES // 2)
    assert log.getvalue().startswith("up key: 128 of 128 MB, ")
    assert log.getvalue().count("\n") == 1


def test_on_a_terminal_the_line_is_redrawn_and_left_at_the_end() -> None:
    terminal = Terminal()
    TransferProgress("down key", LARGE_BYTES, terminal)(LARGE_BYTES)
    assert terminal.getvalue().startswith("\rdown key: 64 of 64 MB")
    assert terminal.getvalue().endswith("\x1b[K\n")
