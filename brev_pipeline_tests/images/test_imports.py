"""Importing the package is cheap: decoders are loaded when the first image is decoded."""

import subprocess
import sys
from pathlib import Path

import pytest

from brev_pipeline_tests.images import worlds

HEAVY = "{'cv2', 'PIL', 'simplejpeg', 'scipy', 'pandas', 'dagster', 'great_expectations', 'tensorflow', 'fsspec'}"


@pytest.mark.parametrize(
    "name", ["brev_pipeline.images", "brev_pipeline.images.prepare_task", "brev_pipeline.images.pipeline"]
)
def test_importing_loads_nothing_heavy(name):
    script = f"import sys, {name}; print(sorted({HEAVY} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_public_names_are_there():
    import brev_pipeline.images as images

    assert all(callable(getattr(images, name)) for name in images.__all__)
    with pytest.raises(AttributeError, match="attribute decoder"):
        _ = images.decoder


def test_a_lone_image_pays_for_no_import_while_its_clock_runs(tmp_path: Path) -> None:
    for name, data in worlds.one_of_each_kind(height=30, width=40).items():
        (tmp_path / name).write_bytes(data)
    late = (
        "import pathlib, sys\n"
        "from brev_pipeline.config import ImageSettings\n"
        "from brev_pipeline.images.prepare_task import import_decoders\n"
        "from brev_pipeline.images.prepare_task import prepare_row\n"
        "from brev_pipeline.storage.fetcher import SourceRow\n"
        "settings, source = ImageSettings(target_size=(8, 8)), SourceRow('x', 'x', None, 'none', 'x')\n"
        "import_decoders()\n"
        "before = set(sys.modules)\n"
        "for file in pathlib.Path(sys.argv[1]).iterdir():\n"
        "    assert prepare_row(source, file.read_bytes(), settings)[0]['status'] == 'ok', file\n"
        "print(sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", late, str(tmp_path)], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("[]\n", "")
