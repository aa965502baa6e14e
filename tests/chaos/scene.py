"""What all faults share: a folder, a seed, and servers that are started when the first fault needs them."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from tests.chaos.zygote import Zygote
from tests.conftest import free_port
from tests.servers import mlflow_server


@dataclass
class Scene:
    """`times`: how often a fault that is drawn at random is injected."""

    folder: Path
    seed: int
    times: int
    closing: ExitStack = field(default_factory=ExitStack)

    @cached_property
    def zygote(self) -> Zygote:
        return self.closing.enter_context(Zygote(self.folder / "zygote"))

    @cached_property
    def mlflow(self) -> str:
        """Address of a real MLflow server that nothing is done to."""
        server = mlflow_server(self.folder / "mlflow", port := free_port())
        server.start()
        self.closing.callback(server.stop)
        return f"http://127.0.0.1:{port}"
