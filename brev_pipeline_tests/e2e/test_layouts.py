"""Layouts of public sets: what ``init`` makes of them as a new user would call it, then a run, counted independently.

`shared/layouts` draws small made-up files at the paths of the originals, with copies where those have copies. What is
true of each layout is computed here from its list of files alone, without a line of the package.
"""

import csv
import gzip
import re
import subprocess
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner

from brev_pipeline.cli import main
from brev_pipeline.config import load_config
from brev_pipeline_tests.pipelines import Run, run

pytestmark = pytest.mark.timeout(1200)


@dataclass(frozen=True)
class Truth:
    """What is true of a photo, by its path."""

    item: str
    category: str
    side: str | None = None


def photo_of_neu_det(path: str) -> Truth | None:
    found = re.fullmatch(r"IMAGES/((.+)_\d+)\.jpg", path)
    return Truth(found[1], found[2]) if found else None


def photo_of_magnetic_tile(path: str) -> Truth | None:
    found = re.fullmatch(r"(MT_\w+)/Imgs/exp\d_num_(\d+)\.jpg", path)
    return Truth(found[2], found[1]) if found else None


def photo_of_kolektorsdd(path: str) -> Truth | None:
    found = re.fullmatch(r"data/(?:kos13/)?(kos\d+)/Part\d\.jpg", path)
    return Truth(found[1], "unlabelled") if found else None


def photo_of_cifar_folders(path: str) -> Truth | None:
    side, category, _ = path.split("/")
    return Truth(path, category, side)


def photo_of_bccd(path: str) -> Truth | None:
    return Truth(path, "unlabelled") if path.startswith("BCCD/JPEGImages/") else None


def photo_of_elpv(path: str) -> Truth | None:
    return Truth(path, "unlabelled") if path.endswith(".png") else None


def photo_of_deeppcb(path: str) -> Truth | None:
    found = re.fullmatch(r".*/(\d+)_(temp|test)\.jpg", path)
    return Truth(found[1], "unlabelled") if found else None


TRUTHS = {
    name: globals()[f"photo_of_{name}"]
    for name in ("neu_det", "magnetic_tile", "kolektorsdd", "cifar_folders", "bccd", "elpv", "deeppcb")
}
CLASSES = {"neu_det": 6, "magnetic_tile": 6, "cifar_folders": 10}
"""Classes of the originals; the others have none in their paths."""
ASKED = {
    "bccd": ("--category", "an XML file (Pascal VOC) beside 364 photos"),
    "elpv": ("--category", "src/elpv_dataset/data/labels.csv"),
    "deeppcb": ("--sample-filter", "…temp and …test"),
}
"""What ``--yes`` stops at, and words of why."""
ANSWERS = {
    "bccd": ["--category", "none"],
    "elpv": ["--category", "none"],
    "deeppcb": ["--category", "none", "--sample-filter", "all"],
}
TOLD = {
    "magnetic_tile": [
        "1345 images are taken for masks",
        "left out, since all other photos lie in folders: dataset.jpg",
    ],
    "kolektorsdd": ["408 images are taken for masks", "all photos are one class", "50 items, 48 groups", "kos26"],
    "neu_det": ["not read yet: an XML file (Pascal VOC) beside 297 photos"],
    "cifar_folders": ["test (1000 photos) is test; train (1000 photos) is divided into train and devel"],
}


def draw(shared: Path, name: str, folder: Path) -> dict[str, str]:
    """The layout's files, drawn; path → digest of the original, equal where bytes are."""
    script = shared / "layouts" / "make_layout.py"
    subprocess.run([sys.executable, str(script), name, str(folder), "--side", "24"], check=True, capture_output=True)
    with gzip.open(shared / "layouts" / f"{name}.tsv.gz", "rt", encoding="utf-8") as file:
        return {row[0]: row[5] for row in csv.reader(file, delimiter="\t")}


def init(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["init", *arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, " ".join(result.output.split())


def leak_groups(truth: dict[str, Truth], files: dict[str, str]) -> dict[str, str]:
    """Photo → a name of what may not be divided: items, and items that have a photo's bytes in common."""
    joined: dict[str, str] = {}

    def root(name: str) -> str:
        while joined.setdefault(name, name) != name:
            name = joined[name]
        return name

    for path, photo in truth.items():
        joined[root(f"item {photo.item}")] = root(f"bytes {files[path]}")
    return {path: root(f"item {photo.item}") for path, photo in truth.items()}


def assignments(done: Run) -> dict[str, dict[str, str]]:
    newest = done.store.newest_version()
    assert newest is not None
    rows = newest[1].read_table("assignments").to_pylist()
    return {row["path"].partition("layout/")[2]: row for row in rows}


def check_version(name: str, done: Run, files: dict[str, str]) -> None:
    truth = {path: photo for path in files if (photo := TRUTHS[name](path))}
    rows = assignments(done)
    groups = leak_groups(truth, files)
    assert sorted(rows) == sorted(truth)
    assert len({row["item"] for row in rows.values()}) == len({photo.item for photo in truth.values()})
    assert len({row["leak_group"] for row in rows.values()}) == len(set(groups.values()))
    sides: dict[str, set[str]] = defaultdict(set)
    for path, row in rows.items():
        sides[groups[path]].add(row["purpose"])
    assert [group for group, found in sides.items() if len(found) > 1] == []
    assert {path: row["category"] for path, row in rows.items()} == {path: [p.category] for path, p in truth.items()}
    assert len({photo.category for photo in truth.values()}) == CLASSES.get(name, 1)
    counts = Counter(row["purpose"] for row in rows.values())
    for path, photo in truth.items():
        # Photos of train that are copies of one of test come to test with it.
        if photo.side and not any(truth[other].side != photo.side for other in truth if groups[other] == groups[path]):
            assert (rows[path]["purpose"] == "test") == (photo.side == "test")
    if name != "cifar_folders":
        assert abs(counts["train"] - 0.8 * len(truth)) <= max(Counter(groups.values()).values()) * CLASSES.get(name, 1)
    else:
        assert abs(counts["devel"] - 0.2 * (len(truth) - counts["test"])) <= CLASSES[name]
    assert counts["devel"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("name", TRUTHS)
def test_a_layout_is_understood_or_asked_about_and_runs(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    files = draw(shared, name, tmp_path / "layout")
    monkeypatch.chdir(tmp_path)
    status, said = init("set.yaml", "--bucket", "layout", "--name", "sets", "--store", "store", "--yes")
    if name in ASKED:
        assert status == 2
        assert all(words in said for words in ASKED[name])
        assert not (tmp_path / "set.yaml").exists()
        status, said = init(
            "set.yaml", "--bucket", "layout", "--name", "sets", "--store", "store", "--yes", *ANSWERS[name]
        )
    assert status == 0, said
    assert [words for words in TOLD.get(name, []) if words not in said] == []
    config = load_config(tmp_path / "set.yaml")
    assert config.split.uniqueness_scope == "global"
    done = run(config)
    assert done.success, done.failures
    check_version(name, done, files)


def test_the_truth_of_the_layouts_is_as_their_readme_says(shared: Path) -> None:
    """The independent computation itself: 50 items and 48 groups, where only leaf folders are items."""
    with gzip.open(shared / "layouts" / "kolektorsdd.tsv.gz", "rt", encoding="utf-8") as file:
        files = {row[0]: row[5] for row in csv.reader(file, delimiter="\t")}
    truth = {path: photo for path in files if (photo := photo_of_kolektorsdd(path))}
    assert len({photo.item for photo in truth.values()}) == 50
    assert len(set(leak_groups(truth, files).values())) == 48
