"""Readers that know nothing of this package. Importing them takes seconds: once for all tests."""

import os
from typing import Any

import pytest


@pytest.fixture(scope="session")
def tfds() -> Any:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    return pytest.importorskip("tensorflow_datasets")


@pytest.fixture(scope="session")
def mlc() -> Any:
    return pytest.importorskip("mlcroissant")
