"""Reading is cheap to import, and needs nothing of those who make what is read."""

import subprocess
import sys
from pathlib import Path

import pytest

from brev_pipeline_tests.conftest import REPOSITORY
from brev_pipeline_tests.readers.worlds import World

HEAVY = "tensorflow", "torch", "cv2", "s3fs", "dagster", "great_expectations", "ray", "sympy"
WRITERS = (
    "brev_pipeline.records.write",
    "brev_pipeline.records.shard_writer",
    "brev_pipeline.images",
    "brev_pipeline.augmentation",
)


def modules_after(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}\nprint(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
        cwd=REPOSITORY,
    )
    return set(done.stdout.split())


def test_importing_the_reader_brings_in_nothing_heavy() -> None:
    assert not modules_after("from brev_pipeline import read; read") & {*HEAVY, *WRITERS}


def test_reading_records_needs_neither_tensorflow_nor_the_writer(world: World) -> None:
    code = f"from brev_pipeline import read; r = read({world.store.folder.url!r}, 'train'); r[0]; r.to_numpy()"
    assert not modules_after(code) & {*HEAVY, *WRITERS} - {"cv2"}


@pytest.mark.torch
def test_torch_data_sets_need_neither_tensorflow_nor_the_writer(world: World) -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed here: make test-torch")
    code = (
        f"from brev_pipeline import read; r = read({world.store.folder.url!r}, 'train'); r.to_torch()[0]; "
        "list(r.to_torch(iterable=True, shuffle=True))"
    )
    assert not modules_after(code) & {*HEAVY, *WRITERS} - {"cv2", "torch", "sympy"}


def test_without_torch_the_error_says_what_to_install(world: World, tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise ModuleNotFoundError(\"No module named 'torch'\")")
    code = (
        f"sys.path.insert(0, {str(tmp_path)!r})\nfrom brev_pipeline import read\n"
        f"try: read({world.store.folder.url!r}, 'train').to_torch()\n"
        "except Exception as error: print(type(error).__name__, error); sys.exit()"
    )
    done = subprocess.run([sys.executable, "-c", f"import sys\n{code}"], capture_output=True, text=True, cwd=REPOSITORY)
    assert done.stdout.startswith("ReadError to_torch needs PyTorch, which is not installed here: pip install torch")
