"""The same attacks where there are no namespaces: landlock, seccomp, a process group and limits hold them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tasks.sandbox import Program, Sandbox, Verdict
from tests.sandbox.conftest import FORMS, QUICK, read_programs

ATTACKS = read_programs("attacks")
AWKWARD = read_programs("awkward")


@pytest.fixture(scope="module")
def contained() -> Iterator[Sandbox]:
    with Sandbox.open(isolation="container", workers=2, limits=QUICK) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def verdicts(contained: Sandbox) -> dict[str, Verdict]:
    programs = [Program(source, FORMS["calls"]) for source in ATTACKS.values()]
    return dict(zip(ATTACKS, contained.run(programs), strict=True))


@pytest.mark.parametrize("name", sorted(ATTACKS))
def test_attack_does_not_pass(verdicts: dict[str, Verdict], name: str) -> None:
    assert not verdicts[name].passed, verdicts[name]
    assert verdicts[name].status != "no_verdict", verdicts[name]


@pytest.mark.parametrize("name", sorted(AWKWARD))
def test_awkward_program_passes(contained: Sandbox, name: str) -> None:
    verdict = next(contained.run([Program(AWKWARD[name], FORMS["calls"])]))
    assert verdict.passed, verdict
