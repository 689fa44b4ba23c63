"""The examples run as they stand, on the demo's vials, and learn what there is to learn."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from brev_pipeline.config import load_config
from brev_pipeline.demo import draw_demo
from brev_pipeline.store import PipelineStore
from brev_pipeline_tests.pipelines import run

pytestmark = pytest.mark.slow
PROJECT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo with its own configuration, run: photos in data/demo, a published version in data/store/demo."""
    folder = tmp_path_factory.mktemp("examples")
    draw_demo(folder / "data/demo", flaws=True)
    (folder / "configs").mkdir()
    shutil.copy(PROJECT / "configs/demo.yaml", folder / "configs")
    done = run(load_config(folder / "configs/demo.yaml"))
    assert done.success, done.failures
    return folder


def example(folder: Path, name: str, out: str) -> str:
    command = [sys.executable, str(PROJECT / "examples" / name), "data/store/demo", "--out", out]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def newest(folder: Path) -> str:
    return json.loads((folder / "data/store/demo/publications/00000001.json").read_text())["version"]


def test_keras_learns_the_vials_and_the_model_says_from_which_version(folder: Path) -> None:
    said = example(folder, "train_keras.py", "vials.keras")
    facts = json.loads(zipfile.ZipFile(folder / "vials.keras").read("training.json"))
    assert facts["brev_pipeline_version"] == newest(folder)
    assert facts["classes"] == ["bad_cap", "good", "missing_cap"]
    assert facts["devel_accuracy"] >= 0.95, said


def test_the_keras_model_with_its_version_can_be_loaded(folder: Path) -> None:
    if not (folder / "vials.keras").exists():
        example(folder, "train_keras.py", "vials.keras")
    script = "import keras, sys; print(keras.saving.load_model(sys.argv[1]).output_shape)"
    command = [sys.executable, "-c", script, "vials.keras"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=200)
    assert "(None, 3)" in done.stdout, done.stderr


@pytest.mark.torch
def test_torch_learns_the_vials_and_the_weights_say_from_which_version(folder: Path) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed here: make test-torch")
    said = example(folder, "train_torch.py", "vials.pt")
    assert re.search(r"trained on version [0-9a-f]{16}", said)
    saved = torch.load(folder / "vials.pt", weights_only=True)
    assert saved["brev_pipeline_version"] == newest(folder)
    assert saved["devel_accuracy"] >= 0.95, said


def test_the_notebook_runs_from_its_first_cell_to_its_last(folder: Path) -> None:
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(PROJECT / "examples/notebook.ipynb", as_version=4)
    os.environ["DATASET"] = str(folder / "data/demo")
    try:
        NotebookClient(notebook, timeout=200, resources={"metadata": {"path": str(folder)}}).execute()
    finally:
        del os.environ["DATASET"]
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert not [output for output in outputs if output.output_type == "error"]


def test_the_notebook_is_committed_without_outputs() -> None:
    notebook = json.loads((PROJECT / "examples/notebook.ipynb").read_text())
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)


def test_a_check_of_ones_own_is_launched_by_dagster_and_stands_in_the_manifest(folder: Path) -> None:
    configs = folder / "own"
    shutil.copytree(folder / "configs", configs)
    file = configs / "demo.yaml"
    file.write_text(
        file.read_text().replace("seed: 3", "seed: 5").replace("store: ../data/store", "store: ../data/own")
    )
    (folder / "home").mkdir()
    environment = {
        **os.environ,
        "BREV_PIPELINE_CONFIGS": str(configs),
        "DAGSTER_HOME": str(folder / "home"),
        "PYTHONPATH": os.pathsep.join([str(PROJECT), str(PROJECT / "examples")]),
    }
    command = [Path(sys.executable).with_name("dagster"), "job", "execute", "-m", "own_checks", "-j", "demo"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    store = PipelineStore.from_config(load_config(file))
    newest = store.newest_version()
    assert newest is not None
    own = {"check": "enough_devel_photos", "severity": "error", "passed": True}
    assert newest[1].read_manifest()["user_checks"] == {"sample_split": [own]}
