"""The examples' pipelines of labels run on the demo, and their records hold what its files say."""

import csv
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

import brev_pipeline
from brev_pipeline.config import load_config
from brev_pipeline.demo import draw_demo
from brev_pipeline.demo.labels import TABLE
from brev_pipeline_tests.pipelines import run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo with labels, and the examples beside it; nothing has run."""
    folder = tmp_path_factory.mktemp("labels")
    draw_demo(folder / "data/demo", labels=True)
    (folder / "examples").mkdir()
    for file in EXAMPLES.glob("*.yaml"):
        shutil.copy(file, folder / "examples")
    return folder


def publish(folder: Path, name: str) -> str:
    done = run(load_config(folder / f"examples/{name}.yaml"))
    assert done.success, done.failures
    return str(folder / "data/store" / name)


def test_records_of_numbers_have_those_of_the_table_and_no_class(folder: Path) -> None:
    records = brev_pipeline.read(publish(folder, "regression"), ["train", "devel"])
    assert records.classes == []
    numbers, paths = records.to_numpy(fields=("target/fill_mm", "path"))
    with (folder / "data/demo" / TABLE).open(newline="") as file:
        told = {row["file_name"]: float(row["fill_mm"]) for row in csv.DictReader(file)}
    names = [str(path).rpartition("data/demo/")[2] for path in paths]
    assert sorted(names) == sorted(told)
    assert numbers == pytest.approx([told[name] for name in names], abs=1e-4)


def test_anomalies_are_in_test_only_and_so_are_masks(folder: Path) -> None:
    store = publish(folder, "anomaly")
    for purpose in ("train", "devel", "test"):
        records = brev_pipeline.read(store, purpose, why="test of the example")
        masks, labelled, paths = records.to_numpy(fields=("mask", "mask/labelled", "path"))
        is_bad = np.array(["/good/" not in str(path) for path in paths])
        assert np.array_equal(labelled == 1, is_bad)
        assert is_bad.sum() == (34 if purpose == "test" else 0)
        assert not is_bad.all()
        assert (masks[~is_bad] == 255).all()
        assert all(set(np.unique(mask)) == {0, 1} for mask in masks[is_bad])


def test_the_segmenter_learns_from_a_version_and_says_which(folder: Path) -> None:
    store = publish(folder, "segmentation")
    command = [sys.executable, str(EXAMPLES / "train_segmenter.py"), store, "--out", "caps.keras"]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    facts = json.loads(zipfile.ZipFile(folder / "caps.keras").read("training.json"))
    assert facts["brev_pipeline_version"] == brev_pipeline.read(store, "train").version
    assert list(facts["devel_iou"]) == ["background", "bad_cap", "missing_cap"]
    assert facts["devel_iou"]["bad_cap"] > 0.75, done.stdout
    assert facts["devel_iou"]["missing_cap"] > 0.75, done.stdout
