"""What all tests share: where the optional material lies, and a real S3 server."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

from brev_pipeline_tests.s3server import ceph

__all__ = ["ceph", "shared"]

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
