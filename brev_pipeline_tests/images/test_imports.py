"""Importing the package is cheap: decoders are loaded when the first image is decoded."""

import subprocess
import sys

import pytest

HEAVY = "{'cv2', 'PIL', 'simplejpeg', 'scipy', 'pandas', 'dagster', 'great_expectations', 'tensorflow', 'fsspec'}"


@pytest.mark.parametrize(
    "name", ["brev_pipeline.images", "brev_pipeline.images.chunk", "brev_pipeline.images.pipeline"]
)
def test_importing_loads_nothing_heavy(name):
    script = f"import sys, {name}; print(sorted({HEAVY} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_public_names_are_there():
    import brev_pipeline.images as images

    assert all(callable(getattr(images, name)) for name in images.__all__)
    with pytest.raises(AttributeError, match="no attribute 'decoder'"):
        _ = images.decoder
