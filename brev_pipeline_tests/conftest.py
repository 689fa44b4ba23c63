"""What all tests share: where the optional material lies, and a real S3 server."""

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from brev_pipeline_tests.once import make_once
from brev_pipeline_tests.s3server import ceph

__all__ = ["ceph", "published", "shared"]

# The machine may be busy: no property fails for being slow.
settings.register_profile("house", deadline=None, print_blob=True)
settings.load_profile("house")

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder with real photos, odd images and reference results; lies beside the repository, not in it."""
    folder = REPOSITORY.parent / "shared"
    if not folder.is_dir():
        if os.environ.get("CI"):
            pytest.fail(f"CI runs with the test material in {folder.name}/ beside the repository, and it is not there")
        pytest.skip("the folder 'shared' (real photos, reference results) does not lie beside the repository")
    return folder


@pytest.fixture(autouse=True)
def no_connection_is_kept() -> Iterator[None]:
    """s3fs keeps each file system it made, credentials included: one test's wrong secret would be the next one's."""
    yield
    if s3fs := sys.modules.get("s3fs"):
        s3fs.S3FileSystem.clear_instance_cache()


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Gives a folder a pipeline that has published once: ``published(folder, {"good": 8}, section={…})``.

    Photos and store are those of one run, made for each such set and copied.
    """
    from brev_pipeline_tests.pipelines import configure, draw_photos, run  # Dagster is not needed by all tests

    def publish(folder: Path, classes: dict[str, int], **sections: Any) -> Path:
        def make(first: Path) -> None:
            draw_photos(first / "photos", classes)
            done = run(configure(first, **sections))
            assert done.success, done.failures

        first = make_once(tmp_path_factory, json.dumps([classes, sections], sort_keys=True), make)
        shutil.copytree(first, folder, dirs_exist_ok=True)
        return folder

    return publish
