"""Dagster's UI in Debian's Chromium, without a display: what a person sees and clicks, and pictures of it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = Path("/usr/bin/chromium")
SCREENSHOTS = "BREV_PIPELINE_SCREENSHOTS"
"""Environment variable: folder that the pictures are kept in; default: pytest's folder for temporary files."""

WIDE = {"width": 2300, "height": 820}
"""So wide that the graph shows each asset with its checks, and not its name alone."""
PAGE = {"width": 1500, "height": 1000}

PATIENCE = 60_000
"""Milliseconds that something may take to appear: the machine may be busy."""


class Screen:
    """One page of Dagster's UI.

    Args:
        page: Playwright's page.
        url: address of the webserver.
        pictures: folder of the screenshots.
    """

    def __init__(self, page: Any, url: str, pictures: Path) -> None:
        self.page = page
        self._url = url
        self._pictures = pictures

    def graph(self, group: str) -> None:
        """Show the asset graph of a pipeline, each asset with its checks."""
        self.page.set_viewport_size(WIDE)
        self._goto(f"/locations/brev_pipeline/asset-groups/{group}")
        self.page.get_by_text("Latest event").first.wait_for()

    def asset(self, group: str, stage: str, view: str) -> None:
        """Show one asset: its ``overview``, ``events`` or ``checks``."""
        self.page.set_viewport_size(PAGE)
        self._goto(f"/assets/{group}/{stage}?view={view}")

    def run(self, run_id: str) -> None:
        """Show a run."""
        self.page.set_viewport_size(PAGE)
        self._goto(f"/runs/{run_id}")

    def click(self, button: str) -> None:
        """Click a button by its text (its icon has a name too)."""
        self.page.get_by_role("button", name=button).first.click()

    def node(self, stage: str) -> Any:
        """An asset in the graph."""
        return self.page.locator("foreignObject").filter(has=self.page.get_by_text(stage, exact=True))

    def nodes(self, stages: list[str]) -> list[str]:
        """``stages`` as they stand in the graph, from left to right."""
        return sorted(stages, key=lambda stage: self.node(stage).bounding_box()["x"])

    def wait_for(self, text: str, within: Any = None) -> None:
        """Wait until a text is to be seen."""
        (within or self.page).get_by_text(text, exact=True).first.wait_for()

    def shoot(self, name: str) -> Path:
        """Keep a picture of what is to be seen, once it stands still."""
        self.page.wait_for_timeout(1500)
        file = self._pictures / f"{name}.png"
        self.page.screenshot(path=str(file))
        return file

    def _goto(self, path: str) -> None:
        self.page.goto(self._url + path)


@contextmanager
def browser(url: str, pictures: Path) -> Iterator[Screen]:
    """A fresh browser without a cache or a history; skips where Chromium is not installed."""
    if not CHROMIUM.exists():
        pytest.skip("Chromium is not installed (.ci/install does it)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # The sandbox wants rights that root in a container does not have; the pages are our own.
        chromium = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        try:
            context = chromium.new_context(timezone_id="UTC", locale="en-GB", color_scheme="light")
            # A narrow bar leaves the graph its room.
            context.add_init_script("localStorage.setItem('dagster-nav-collapsed', 'true')")
            context.set_default_timeout(PATIENCE)
            yield Screen(context.new_page(), url, pictures)
        finally:
            chromium.close()


def pictures_folder(fallback: Path) -> Path:
    """Where pictures are kept."""
    folder = Path(os.environ.get(SCREENSHOTS, fallback))
    folder.mkdir(parents=True, exist_ok=True)
    return folder
