"""A decoder that gives other pixels makes other records, whether or not anybody raised a version for it."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from brev_pipeline.engine import SerialEngine
from brev_pipeline.errors import StoreError
from brev_pipeline.images.decoding import convert_channels
from brev_pipeline.stages import SPECS
from brev_pipeline_tests.pipelines import Run, configure, draw_photos, run

pytestmark = pytest.mark.slow


def inverted(pixels: Any, settings: Any) -> Any:
    return np.ascontiguousarray(255 - convert_channels(pixels, settings))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    # Workers of their own would not know of the changed decoder.
    monkeypatch.setattr(
        "brev_pipeline.orchestration.code_location.EngineResource.make_engine", lambda *_: SerialEngine()
    )
    draw_photos(tmp_path / "photos", {"good": 6, "bad": 5})
    return tmp_path


@pytest.fixture
def change_decoder(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    return lambda: monkeypatch.setattr("brev_pipeline.images.decoding.convert_channels", inverted)


def version(done: Run) -> str:
    assert done.success, done.failures
    newest = done.store.newest_version()
    assert newest is not None
    return newest[0].version


def afresh(folder: Path) -> str:
    return version(run(configure(folder, store="elsewhere")))


def test_with_its_number_raised(
    folder: Path, monkeypatch: pytest.MonkeyPatch, change_decoder: Callable[[], None]
) -> None:
    before = version(run(configure(folder)))
    change_decoder()
    spec = SPECS["prepared_images"]
    monkeypatch.setitem(SPECS, spec.name, replace(spec, code=f"{spec.code}a"))
    after = version(run(configure(folder)))
    assert after != before
    assert after == afresh(folder)


def test_unnoticed_where_all_pixels_have_to_be_prepared_again(folder: Path, change_decoder: Callable[[], None]) -> None:
    """The records of the newest version would be copied by content and seed: they are of the old pixels."""
    before = version(run(configure(folder)))
    change_decoder()
    shutil.rmtree(folder / "store/parts/prepared")
    after = version(run(configure(folder)))
    assert after != before
    assert after == afresh(folder)


def test_shards_of_a_killed_run_are_not_taken_up_for_other_pixels(
    folder: Path, monkeypatch: pytest.MonkeyPatch, change_decoder: Callable[[], None]
) -> None:
    """They lie in a staging folder that is named by the plan, and the plan is the same."""
    with monkeypatch.context() as patch:
        patch.setattr("brev_pipeline.release.release_version.publish_version", _killed)
        assert not run(configure(folder)).success
    (staged,) = (folder / "store/parts/staging").iterdir()
    assert any(staged.iterdir())
    change_decoder()
    shutil.rmtree(folder / "store/parts/prepared")
    assert version(run(configure(folder))) == afresh(folder)


def _killed(*_: Any, **__: Any) -> None:
    raise StoreError("the machine is going down")
