"""Bad input gets a clear error or a row in quarantine with its reason; nothing is lost."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from brev_pipeline.orchestration.code_location import build_pipeline_definitions
from brev_pipeline.store import PipelineStore
from brev_pipeline_tests.pipelines import SETTINGS, Run, configure, draw_photos, run, work_in_this_process

LENIENT = {"prepared_images": {"max_quarantined": 0.9}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    draw_photos(tmp_path / "photos", {"good": 8, "bad": 5})
    return tmp_path


def in_two_runs(config: Any, between: Any) -> Run:
    """List and check in one run, do something to the photos, and go on in a second run."""
    job = build_pipeline_definitions(config).resolve_job_def(config.name)
    first = [dg.AssetKey([config.name, name]) for name in ("raw_listing", "sample_integrity")]
    rest = [
        dg.AssetKey([config.name, name])
        for name in ("prepared_images", "sample_split", "sampling_weights", "tfrecord_shards", "dataset_version")
    ]
    with dg.DagsterInstance.ephemeral() as instance, work_in_this_process():
        assert job.execute_in_process(instance=instance, asset_selection=first).success
        between()
        result = job.execute_in_process(instance=instance, asset_selection=rest, raise_on_error=False)
    return Run(result, PipelineStore.from_config(config))


def quarantine(done: Run) -> dict[str, tuple[str, str]]:
    _, version = done.store.newest_version()
    rows = version.read_table("images").to_pylist()
    return {row["source_path"]: (row["status"], row["reason"]) for row in rows if row["status"] != "ok"}


def excluded(done: Run) -> dict[str, str]:
    _, version = done.store.newest_version()
    return {row["path"]: row["rule"] for row in version.read_table("exclusions").to_pylist()}


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    done = run(configure(tmp_path))
    assert not done.success
    assert "photos" in done.failures
    assert "ListingError" in done.failures


def test_a_folder_without_images_says_what_was_seen(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "notes.txt").write_text("no image")
    done = run(configure(tmp_path))
    assert not done.success
    assert ".txt" in done.failures


@pytest.mark.skipif(os.geteuid() != 0, reason="drops the rights of root to see what a user without rights sees")
def test_a_folder_without_permission_is_named(folder: Path) -> None:
    (folder / "parts.yaml").write_text(SETTINGS)
    (folder / "photos").chmod(0o700)
    code = f"""
import os
from brev_pipeline.config import load_config
from brev_pipeline.listing import list_datasets
from brev_pipeline.storage import Sources
config = load_config({str(folder / "parts.yaml")!r})
# All is imported before the rights are dropped.
list_datasets(config.datasets, config.listing, Sources.from_config(config))
os.setgid(65534)
os.setuid(65534)
list_datasets(config.datasets, config.listing, Sources.from_config(config))
"""
    refused = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "ListingError" in refused.stderr
    assert "ermission" in refused.stderr


@pytest.mark.slow
def test_zero_bytes_and_truncated_photos_are_quarantined_and_the_rest_is_published(folder: Path) -> None:
    (folder / "photos/good/0_0.png").write_bytes(b"")
    whole = (folder / "photos/good/1_0.png").read_bytes()
    (folder / "photos/good/1_0.png").write_bytes(whole[: len(whole) * 6 // 10])
    done = run(configure(folder, validation=LENIENT))
    assert done.success, done.failures
    found = quarantine(done)
    assert {path: status for path, (status, _) in found.items()} == {
        "photos/good/0_0.png": "corrupt",
        "photos/good/1_0.png": "corrupt",
    }
    assert all(reason for _, reason in found.values())
    assert {path for path, rule in excluded(done).items() if rule == "quarantined"} == set(found)
    assert "raw_listing.not_empty" in done.failed_checks


@pytest.mark.slow
def test_photos_that_vanished_or_changed_after_they_were_listed_are_quarantined(folder: Path) -> None:
    photo, other = folder / "photos/good/3_1.png", folder / "photos/good/4_1.png"

    def change() -> None:
        times = photo.stat()
        photo.write_bytes(other.read_bytes())
        # Even a careful forger who keeps the time stamp is noticed.
        os.utime(photo, ns=(times.st_atime_ns, times.st_mtime_ns))
        (folder / "photos/bad/1_0.png").unlink()

    done = in_two_runs(configure(folder, validation=LENIENT), change)
    assert done.success, done.failures
    found = quarantine(done)
    assert {path: status for path, (status, _) in found.items()} == {
        "photos/good/3_1.png": "changed",
        "photos/bad/1_0.png": "missing",
    }
    assert all(reason for _, reason in found.values())
    assert {path for path, rule in excluded(done).items() if rule == "quarantined"} == set(found)


def test_one_image_only_becomes_a_version(tmp_path: Path) -> None:
    draw_photos(tmp_path / "photos", {"good": 1}, photos_per_item=1)
    done = run(configure(tmp_path))
    assert done.success, done.failures
    assert done.store.newest_version()[1].read_manifest()["counts"]["records"] == {"train": 1}


def test_one_item_only_cannot_be_divided_and_is_named(tmp_path: Path) -> None:
    draw_photos(tmp_path / "photos", {"good": 1}, photos_per_item=6)
    done = run(configure(tmp_path))
    assert not done.success
    assert "puts all 6 images into one item, '0'" in done.failures


@pytest.mark.slow
def test_a_class_with_one_item_is_not_divided_and_not_lost(folder: Path) -> None:
    draw_photos(folder / "photos", {"rare": 1})
    done = run(configure(folder))
    assert done.success, done.failures
    split = done.store.newest_version()[1].read_table("assignments").to_pandas()
    rare = split[split["folder"] == "rare"]
    assert len(rare) == 2
    assert rare["purpose"].nunique() == 1


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        (r"/(\d+)-\d+\.png$", "photos/bad/0_0.png"),
        (r"/([0-4])_\d+\.png$", "photos/good/5_0.png"),
    ],
)
def test_a_pattern_that_misses_paths_names_some_of_them(folder: Path, pattern: str, said: str) -> None:
    done = run(configure(folder, split={"uniqueness": pattern, "stratification": ["folder"]}))
    assert not done.success
    assert "SplitError" in done.failures
    assert said in done.failures


@pytest.mark.slow
def test_paths_that_the_pattern_misses_may_each_be_an_item(folder: Path) -> None:
    settings = {"uniqueness": r"/([0-4])_\d+\.png$", "unmatched": "own_item", "stratification": ["folder"]}
    done = run(configure(folder, split=settings))
    assert done.success, done.failures


def test_a_store_that_cannot_be_written_is_named(folder: Path) -> None:
    (folder / "file").write_text("in the way")
    done = run(configure(folder, store=str(folder / "file")))
    assert not done.success
    assert "Not a directory; a file stands where a folder should be" in done.failures
    assert str(folder / "file") in done.failures


def test_unicode_and_odd_names_go_through_the_whole_chain(folder: Path) -> None:
    odd = folder / "photos" / "gut & schön #1"
    draw_photos(folder / "photos", {odd.name: 2})
    for file in sorted(odd.iterdir()):
        file.rename(odd / f"{file.stem.split('_')[0]} ü%20+é_{file.stem.split('_')[1]}.png")
    settings = {"uniqueness": r"/(\d+)[^/]*_\d+\.png$", "stratification": ["folder"], "uniqueness_scope": "stratum"}
    done = run(configure(folder, split=settings))
    assert done.success, done.failures
    paths = done.store.newest_version()[1].read_table("records")["path"].to_pylist()
    assert any("schön #1/0 ü%20+é_0.png" in path for path in paths)
