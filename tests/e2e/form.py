"""The trigger form as a person fills it in: with the mouse."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from infra.local import browser
from infra.local.airflow_api import AirflowApi
from infra.local.settings import Settings

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

SMALL: dict[str, Any] = {"profile": "smoke", "arms_arms": ["rl"], "arms_n_seeds": 2}
"""What is filled in; a new seed of a profile's arm computes little."""
PATIENCE = 240.0
Found = TypeVar("Found")


def trigger_by_clicking(page: Page, settings: Settings, api: AirflowApi) -> str:
    """Fills in what SMALL says and nothing else; the id of the run that is there then."""
    before = set(api.run_ids("psgpo_train"))
    form = browser.open_form(page, settings.airflow_uri)
    form.get_by_role("button", name="What to train").click()
    choose(form, "profile", SMALL["profile"])
    form.get_by_role("button", name="Arms and seeds").click()
    for arm in SMALL["arms_arms"]:
        choose(form, "arms_arms", f"{arm}: ")
    for _ in range(SMALL["arms_n_seeds"]):
        form.locator("[id='number-input:element_arms_n_seeds:inc']").click()
    form.get_by_role("button", name="Trigger").click()
    return wait_for(lambda: next(iter(set(api.run_ids("psgpo_train")) - before), None))


def choose(form: Locator, field: str, beginning: str) -> None:
    """Open a drop-down and click the first choice with this beginning."""
    form.locator(f"#element_{field}").click()
    choices = form.get_by_role("option")
    choices.first.wait_for()
    texts = choices.all_inner_texts()
    choices.nth(next(n for n, text in enumerate(texts) if text.startswith(beginning))).click()


def wait_for(find: Callable[[], Found | None]) -> Found:
    deadline = time.monotonic() + PATIENCE
    while (found := find()) is None:
        assert time.monotonic() < deadline, "nothing came of it"
        time.sleep(0.3)
    return found
