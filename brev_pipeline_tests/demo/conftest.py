"""One drawing of the whole demo, for all tests that only look at it."""

from pathlib import Path

import pytest

from brev_pipeline.demo import DemoSummary, draw_demo


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> DemoSummary:
    """The demo with flaws; not to be changed."""
    folder: Path = tmp_path_factory.mktemp("demo") / "vials"
    return draw_demo(folder, flaws=True)
