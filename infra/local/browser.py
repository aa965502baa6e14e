"""A person at the embedded stack: Debian's Chromium, moved by Playwright through the pages people use.

The browser is not downloaded: it is the machine's own, `PSGPO_CHROMIUM` or `/usr/bin/chromium`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from infra.local.environment import ADMIN, admin_password
from infra.local.settings import Settings

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")
PATIENCE_MS = 60_000


def chromium() -> Path | None:
    """The machine's Chromium, if it has one."""
    path = Path(os.environ.get("PSGPO_CHROMIUM") or "/usr/bin/chromium")
    return path if path.is_file() else None


@contextmanager
def opened(settings: Settings, width: int = 1400, height: int = 900) -> Iterator[Page]:
    """A page that is logged in to Airflow; MLflow asks nobody. Raises RuntimeError where there is no Chromium."""
    from playwright.sync_api import sync_playwright

    browser = chromium()
    if browser is None:
        raise RuntimeError("no Chromium: install it, or name it in PSGPO_CHROMIUM")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=browser, args=list(FLAGS))
        try:
            page = started.new_page(viewport={"width": width, "height": height})
            page.set_default_timeout(PATIENCE_MS)
            _log_in(page, settings)
            yield page
        finally:
            started.close()


def _log_in(page: Page, settings: Settings) -> None:
    page.goto(f"{settings.airflow_uri}/auth/login")
    page.fill("input[name=username]", ADMIN)
    page.fill("input[name=password]", admin_password(settings))
    page.keyboard.press("Enter")
    page.wait_for_url(lambda address: "/auth/login" not in address)


def open_form(page: Page, settings: Settings, dag: str = "psgpo_train") -> Locator:
    """The trigger form of a DAG, opened by its button."""
    page.goto(f"{settings.airflow_uri}/dags/{dag}")
    page.get_by_role("button", name="Trigger").first.click()
    dialog = page.locator("[role=dialog][aria-modal=true]")
    dialog.wait_for()
    return dialog
