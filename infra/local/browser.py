"""A person at a stack: Debian's Chromium, moved by Playwright through the pages people use.

The browser is not downloaded: it is the machine's own, `chromium` on the path or the program in `PSGPO_CHROMIUM`.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from infra.local.environment import ADMIN

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")
PATIENCE_MS = 120_000


def missing() -> str:
    """Why there is no browser here; empty where there is one."""
    if _chromium() is None:
        return "no Chromium: install Debian's `chromium`, or name the program in PSGPO_CHROMIUM"
    if importlib.util.find_spec("playwright") is None:
        return "no Python package playwright"
    return ""


def _chromium() -> str | None:
    return shutil.which(os.environ.get("PSGPO_CHROMIUM") or "chromium")


@contextmanager
def opened(airflow_uri: str, password: str, width: int = 1400, height: int = 900) -> Iterator[Page]:
    """A page that is logged in to Airflow as its administrator. Raises RuntimeError where `missing` is not empty."""
    if reason := missing():
        raise RuntimeError(reason)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=_chromium(), args=list(FLAGS))
        try:
            page = started.new_page(viewport={"width": width, "height": height})
            page.set_default_timeout(PATIENCE_MS)
            _log_in(page, airflow_uri, password)
            yield page
        finally:
            started.close()


def _log_in(page: Page, airflow_uri: str, password: str) -> None:
    page.goto(f"{airflow_uri}/auth/login")
    page.fill("input[name=username]", ADMIN)
    page.fill("input[name=password]", password)
    page.keyboard.press("Enter")
    page.wait_for_url(lambda address: "/auth/login" not in address)


def open_form(page: Page, airflow_uri: str, dag: str = "psgpo_train") -> Locator:
    """The trigger form of a DAG, opened by its button."""
    page.goto(f"{airflow_uri}/dags/{dag}")
    page.get_by_role("button", name="Trigger").first.click()
    dialog = page.locator("[role=dialog][aria-modal=true]")
    dialog.wait_for()
    return dialog
