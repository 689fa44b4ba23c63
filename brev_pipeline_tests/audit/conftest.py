"""The world of the auditor: made once, copied for each test that damages it."""

from pathlib import Path

import pytest

from brev_pipeline_tests.audit.worlds import World, make
from brev_pipeline_tests.once import make_once
from brev_pipeline_tests.store.conftest import s3_endpoint, s3_folder

__all__ = ["s3_endpoint", "s3_folder"]


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Not to be changed."""
    return World(make_once(tmp_path_factory, "audit", make))


@pytest.fixture
def copy(world: World, tmp_path: Path) -> World:
    """To be damaged."""
    return world.copy(tmp_path / "copy")
