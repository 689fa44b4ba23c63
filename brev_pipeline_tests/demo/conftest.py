"""One drawing of the whole demo, for all tests that only look at it."""

from pathlib import Path

import pytest

from brev_pipeline.demo import DemoSummary, draw_demo
from brev_pipeline.demo.folder import list_demo_files


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> DemoSummary:
    """The demo with flaws; not to be changed."""
    folder: Path = tmp_path_factory.mktemp("demo") / "vials"
    return draw_demo(folder, flaws=True)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A demo of seven files, for tests of the folder's handling: one good item, one missing cap, two flaws."""
    files = list_demo_files(flaws=True)
    chosen = [*files[:3], *files[168:170], files[-2], files[-1]]
    monkeypatch.setattr(
        "brev_pipeline.demo.folder.list_demo_files",
        lambda *, flaws: chosen if flaws else [planned for planned in chosen if planned.kind == "photo"],
    )
