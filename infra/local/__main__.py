"""`python -m infra.local up | down | demo --profile NAME`: what `make up`, `make down` and `make demo` call."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from infra.local.environment import ADMIN, admin_password
from infra.local.settings import Settings, read_settings
from infra.local.stack import StackError, down, up
from tasks.errors import EXIT_BAD_INPUT, BadInput


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m infra.local", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="start Airflow and MLflow in the background")
    commands.add_parser("down", help="stop them")
    demo = commands.add_parser("demo", help="train all arms and print the table")
    demo.add_argument("--profile", default="demo")
    arguments = parser.parse_args(argv)
    try:
        settings = read_settings()
        if arguments.command == "up":
            return _up(settings)
        if arguments.command == "down":
            return _down(settings)
        from infra.local.demo import run_demo

        return run_demo(settings, arguments.profile)
    except BadInput as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_BAD_INPUT
    except StackError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _up(settings: Settings) -> int:
    up(settings, lambda text: print(f"stack: {text}", flush=True))
    print(f"Airflow  {settings.airflow_uri}  user {ADMIN}, password {admin_password(settings)}")
    print(f"MLflow   {settings.mlflow_uri}")
    print("make down stops both; state stays in", settings.state)
    return 0


def _down(settings: Settings) -> int:
    ended = down(settings)
    print(f"stack: {ended} processes ended" if ended else "stack: nothing was running")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
