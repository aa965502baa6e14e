"""Going back: the first task finds the champion, the second goes to exactly that one."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException


@pytest.fixture
def rollback(dags: dict[str, Any]) -> Any:
    return dags["psgpo_rollback"]


def context(conf: dict[str, Any] | None, **found: Any) -> dict[str, Any]:
    ti = SimpleNamespace(xcom_pull=lambda task_ids: found[task_ids])
    params = {"version": None, **(conf or {})}
    return {"dag_run": SimpleNamespace(conf=conf), "params": params, "ti": ti}


@pytest.mark.parametrize(
    ("conf", "arguments"),
    [
        (None, ("--look",)),
        ({"version": None}, ("--look",)),
        ({"version": 3}, ("--look", "--to", "3")),
    ],
)
def test_looking_is_for_the_previous_champion_or_a_version(
    rollback: Any, conf: Any, arguments: tuple[str, ...]
) -> None:
    assert rollback.get_task("look")._arguments(context(conf)) == arguments


def test_a_second_try_goes_to_the_same_champion(rollback: Any) -> None:
    back = rollback.get_task("back")
    assert back.upstream_task_ids == {"look"}
    assert back._arguments(context(None, look={"version": "4"})) == ("--to", "4")


def test_an_unknown_key_is_refused(rollback: Any) -> None:
    with pytest.raises(AirflowFailException, match="parameter 'to': is unknown; allowed: version"):
        rollback.get_task("look")._arguments(context({"to": 3}))
