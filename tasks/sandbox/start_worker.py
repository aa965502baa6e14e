"""Executed as a script by `client.py`: a worker in a fresh interpreter without site-packages.

Descriptor 0 is the socket to the client. Modules that programs often use are imported here once, before the fork
server exists: a program gets them for nothing.
"""

import _sitebuiltins
import builtins
import os
import sys
import types

# `random` and others reseed or reset themselves in every forked child: costs a quarter of a fork, and makes
# programs that draw numbers differ between runs. Programs that fork share the state, as they do in most languages.
_register = os.register_at_fork
os.register_at_fork = lambda **functions: None
# fmt: off
import bisect, collections, copy, enum, functools, heapq  # noqa: E401, F401, E402, I001
import io, itertools, json, math, operator, random, re, socket, string, typing  # noqa: E401, F401, E402
# fmt: on
os.register_at_fork = _register
random.seed(0)

FOLDER = os.path.dirname(os.path.abspath(__file__))


def _packages_without_running_them() -> None:
    """`tasks` and `tasks.sandbox` as bare packages: their `__init__` would import the client too."""
    for name, folder in (("tasks", os.path.dirname(FOLDER)), ("tasks.sandbox", FOLDER)):
        package = types.ModuleType(name)
        package.__path__ = [folder]
        sys.modules[name] = package


def _interactive_names() -> None:
    """`exit`, `quit` and `help` come from site.py, which we do without."""
    builtins.exit = _sitebuiltins.Quitter("exit", "Ctrl-D")
    builtins.quit = _sitebuiltins.Quitter("quit", "Ctrl-D")
    builtins.help = _sitebuiltins._Helper()


def _client_socket() -> socket.socket:
    """The socket moves away from 0, where programs expect their standard input."""
    moved = os.dup(0)
    os.set_inheritable(moved, False)
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1):
        os.dup2(null, descriptor)
    os.close(null)
    return socket.socket(fileno=moved)


if __name__ == "__main__":
    sys.path = [path for path in sys.path if os.path.abspath(path) != FOLDER]
    _packages_without_running_them()
    _interactive_names()
    from tasks.sandbox.worker import main

    main(_client_socket())
