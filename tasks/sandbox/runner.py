"""What runs in the program's own process. Nothing here is trusted: it only turns values into text and back.

The process knows the candidate's source and the arguments of calls. It never holds an expected value, a test program
(but for `beside_candidate` tests, which run here by design) or a descriptor other than its own pipes.
"""

from __future__ import annotations

import builtins
import io
import os
import sys
import types
from typing import Any, NoReturn

from tasks.sandbox import codec, frames

SOURCE_NAME = "<candidate>"
_LONGEST_MESSAGE = 2000  # characters of an exception's text that are sent
_READY = frames.pack(b'{"ready":true}')
_OUT_OF_MEMORY = frames.pack(b'{"raised":["MemoryError"],"text":"","line":null,"where":"code"}')


def prepare_interpreter(scratch: str, depth: int) -> None:
    """Once, in the fork server: what every program then finds.

    `depth`: frames of ours below the program's, which do not count in its recursion limit.
    """
    sys.setrecursionlimit(1000 + depth)
    for name in ("candidate", "__main__"):
        new_module(name)
    os.chdir(scratch)
    os.environ["TMPDIR"] = os.environ["HOME"] = scratch
    sys.argv[:] = ["main.py"]


def new_module(name: str) -> None:
    """An empty module for the program, which finds it made: one thing less to do in every process."""
    module = sys.modules[name] = types.ModuleType(name)
    module.__dict__["__builtins__"] = builtins


def run(channel: int, script: bool) -> NoReturn:
    """Read the source from `channel`, run it, answer calls until the examiner closes. Ends the process."""
    leave = os._exit
    code = 1
    try:
        source = _receive(channel)
        if source is not None:
            text = source.decode("utf-8", "surrogatepass")
            code = _run_script(channel, text) if script else answer_calls(channel, text)
    except MemoryError:
        os.write(channel, _OUT_OF_MEMORY)
    finally:
        leave(code)


# ---- functions


def answer_calls(channel: int, source: str) -> int:
    module = sys.modules["candidate"]
    try:
        exec(compile(source, SOURCE_NAME, "exec", dont_inherit=True), module.__dict__)  # noqa: S102
    except MemoryError:
        raise
    except BaseException as error:
        _send(channel, _describe(error, "code"))
        return 1
    os.write(channel, _READY)
    while (request := _receive(channel)) is not None:
        _send(channel, _answer(module, codec.parse(request)))
    return 0


def _answer(module: types.ModuleType, request: dict[str, Any]) -> dict[str, Any]:
    try:
        value = _evaluate(module, request)
    except MemoryError:
        raise
    except BaseException as error:
        return _describe(error, "call")
    try:
        return {"value": codec.encode(value)}
    except MemoryError:
        raise
    except RecursionError:
        return {"unsendable": "value is nested too deeply"}
    except Exception as error:
        return {"unsendable": str(error)[:_LONGEST_MESSAGE]}


def _evaluate(module: types.ModuleType, request: dict[str, Any]) -> Any:
    if "call" in request:
        args, named = codec.decode(request["args"]), codec.decode(request["kwargs"])
        return resolve(module, request["call"])(*args, **named)
    if "evaluate" in request:
        return eval(compile(request["evaluate"], "<test>", "eval", dont_inherit=True), module.__dict__)  # noqa: S307
    exec(compile(request["execute"], "<test>", "exec", dont_inherit=True), module.__dict__)  # noqa: S102
    return None


def resolve(module: types.ModuleType, entry_point: str) -> Any:
    """The function `name`, or the bound method `Class().name` of a new instance."""
    owner, _, method = entry_point.partition("().")
    found = module.__dict__.get(owner, module)
    if found is module:
        raise NameError(f"the program does not define {owner!r}")
    return getattr(found(), method) if method else found


# ---- scripts


def _run_script(channel: int, source: str) -> int:
    """The program as `python main.py` would run it; its exit code."""
    module = sys.modules["__main__"]
    _standard_streams()
    code = 0
    try:
        exec(compile(source, SOURCE_NAME, "exec", dont_inherit=True), module.__dict__)  # noqa: S102
    except MemoryError:
        raise
    except SystemExit as stop:
        code = _exit_code(stop)
    except BaseException as error:
        _send(channel, _describe(error, "code"))
        code = 1
    _finish_threads()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:
            code = code or 1
    return code


def _standard_streams() -> None:
    sys.stdin = io.TextIOWrapper(io.BufferedReader(io.FileIO(0, "r", closefd=False)), "utf-8")
    sys.stdout = io.TextIOWrapper(io.BufferedWriter(io.FileIO(1, "w", closefd=False)), "utf-8")
    sys.stderr = io.TextIOWrapper(
        io.BufferedWriter(io.FileIO(2, "w", closefd=False)), "utf-8", "backslashreplace", line_buffering=True
    )
    for name in ("stdin", "stdout", "stderr"):
        setattr(sys, f"__{name}__", getattr(sys, name))


def _exit_code(stop: SystemExit) -> int:
    if stop.code is None or type(stop.code) is int:
        return (stop.code or 0) & 0xFF
    return 1


def _finish_threads() -> None:
    """What Python does at exit: wait for threads, run atexit functions."""
    threading = sys.modules.get("threading")
    if threading is not None:
        threading._shutdown()
    atexit = sys.modules.get("atexit")
    if atexit is not None:
        atexit._run_exitfuncs()


# ---- messages


def _receive(channel: int) -> bytes | None:
    """The next message; None when the examiner has closed."""
    header = _exactly(channel, frames.HEADER.size)
    return header and _exactly(channel, frames.HEADER.unpack(header)[0])


def _exactly(channel: int, size: int) -> bytes | None:
    data = os.read(channel, size)
    while len(data) < size:
        more = os.read(channel, size - len(data))
        if not more:
            return None
        data += more
    return data


def _send(channel: int, message: dict[str, Any]) -> None:
    data = frames.pack(codec.to_text(message).encode())
    while data:
        data = data[os.write(channel, data) :]


def _describe(error: BaseException, where: str) -> dict[str, Any]:
    """The exception as data: names of its classes, text, line of the candidate's source."""
    try:
        text = str(error)[:_LONGEST_MESSAGE]
    except BaseException:
        text = "(its text cannot be made)"
    names = [kind.__name__ for kind in type(error).__mro__ if kind is not object]
    return {"raised": names, "text": text, "line": _line(error), "where": where}


def _line(error: BaseException) -> int | None:
    """1-based line of the candidate's source that raised last, or where its syntax is wrong."""
    if isinstance(error, SyntaxError) and error.filename == SOURCE_NAME:
        return error.lineno
    line, step = None, error.__traceback__
    while step is not None:
        if step.tb_frame.f_code.co_filename == SOURCE_NAME:
            line = step.tb_lineno
        step = step.tb_next
    return line
