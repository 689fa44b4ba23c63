"""A run tells its story: counts that plot, pictures that open, and a page behind every check."""

import base64
import io
import logging
import re
import threading
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest
from PIL import Image

from brev_pipeline.expectations import SUITES, Finding
from brev_pipeline.orchestration.story import pace, pictured
from brev_pipeline.orchestration.told import told
from brev_pipeline.orchestration.verdicts import Verdicts
from brev_pipeline.provenance import StageRecord
from brev_pipeline.stages import VERSION
from brev_pipeline.store import Folder
from brev_pipeline_tests.pipelines import STAGES, Run, configure, draw_photos, run, table_name

LINEAGE = {stage: StageRecord("0" * 32, {}, {}) for stage in ("sample_integrity", "prepared_images", "sample_split")}
PICTURES = {
    "raw_listing": "class balance",
    "prepared_images": "quarantined images",
    "sample_split": "split by stratum",
    "sampling_weights": "drawn and natural frequency",
    "tfrecord_shards": "augmented samples",
}
NUMBERS = {
    "raw_listing": {"images", "bytes", "seconds", "images per second"},
    "sample_integrity": {"images", "byte copies", "label conflicts", "seconds", "images per second"},
    "prepared_images": {"images", "quarantined", "pixel copies", "seconds", "images per second"},
    "sample_split": {"images", "leak groups", "left out", "images: train", "images: test", "seconds"},
    "sampling_weights": {"drawn share: train / bad", "drawn share: train / good", "seconds"},
    "tfrecord_shards": {"records", "shards", "drawn share: bad", "drawn share: good", "records per second"},
    VERSION: {"publication", "seconds"},
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("story")
    draw_photos(folder / "photos", {"good": 8, "bad": 5})
    whole = (folder / "photos/good/0_0.png").read_bytes()
    (folder / "photos/good/0_1.png").write_bytes(whole[: len(whole) // 2])
    tolerant = {"prepared_images": {"max_quarantined": 0.2}}
    done = run(configure(folder, validation=tolerant))
    assert done.success, done.failures
    return done


def metadata(finished: Run) -> dict[str, dict[str, Any]]:
    events = finished.result.get_asset_materialization_events()
    return {event.asset_key.path[-1]: dict(event.materialization.metadata) for event in events}


def test_every_stage_has_its_numbers_that_plot_over_time(finished: Run) -> None:
    told_of = metadata(finished)
    numeric = (dg.IntMetadataValue, dg.FloatMetadataValue)
    for stage, names in NUMBERS.items():
        found = {name for name, value in told_of[stage].items() if isinstance(value, numeric)}
        assert names <= found, stage


def test_drawn_shares_sum_to_one(finished: Run) -> None:
    told_of = metadata(finished)["tfrecord_shards"]
    shares = [value.value for name, value in told_of.items() if name.startswith("drawn share: ")]
    assert sum(shares) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize(("stage", "title"), PICTURES.items())
def test_a_stage_shows_its_picture_as_a_png_in_markdown(finished: Run, stage: str, title: str) -> None:
    said = metadata(finished)[stage][title].value
    found = re.fullmatch(r"!\[[^\]]+\]\(data:image/png;base64,([A-Za-z0-9+/=]+)\)", said)
    assert found
    assert Image.open(io.BytesIO(base64.b64decode(found[1]))).format == "PNG"


def test_a_materialization_stays_small_enough_for_dagsters_database(finished: Run) -> None:
    for stage, entries in metadata(finished).items():
        assert sum(len(str(value.value)) for value in entries.values()) < 150_000, stage


def test_every_stage_says_by_which_settings_it_went_and_where_its_table_lies(finished: Run) -> None:
    for stage in STAGES:
        entries = metadata(finished)[stage]
        assert isinstance(entries["settings"], dg.JsonMetadataValue)
        assert Path(entries["address"].value).is_file()


def test_every_check_leads_to_the_page_of_its_stage(finished: Run) -> None:
    assert len(finished.checks) == sum(len(suite(configure(Path()))) for suite in SUITES.values())
    for check in finished.checks:
        page = Path(check.metadata["data docs"].value).read_text()
        assert f'id="{check.check_name}"' in page
        assert check.asset_key.path[-1] in page


def test_the_results_of_every_stage_are_kept_for_the_data_docs_of_a_later_release(finished: Run) -> None:
    from brev_pipeline.expectations.data_docs import data_docs_files

    verdicts = Verdicts(finished.store.tables)
    run_id = finished.result.run_id
    found = {stage: verdicts.of(table_name(finished.store, run_id, stage)) for stage in STAGES}
    assert {stage: list(entries) for stage, entries in found.items()} == {
        stage: [rule.name for rule in SUITES[stage](configure(Path()))] for stage in STAGES
    }
    results = {stage: [entry["result"] for entry in entries.values()] for stage, entries in found.items()}
    assert len(data_docs_files(results)) == len(STAGES) + 1


def test_a_failed_check_has_its_page_too_and_an_earlier_page_is_kept(tmp_path: Path) -> None:
    verdicts = Verdicts(Folder(str(tmp_path)))
    rule = SUITES["sample_split"](configure(tmp_path))[0]
    about = "run/sample_split.1.parquet", "sample_split"
    first = Path(verdicts.write(*about, [Finding(rule, passed=True)], LINEAGE, "run"))
    second = Path(
        verdicts.write(
            "run/sample_split.1.parquet", "sample_split", [Finding(rule, passed=False, observed=7)], LINEAGE, "later"
        )
    )
    assert first.name == "sample_split.1.validation.html"
    assert "✓ passed" in first.read_text()
    assert "✗ failed" in second.read_text()
    assert not verdicts.of("run/sample_split.1.parquet")[rule.name]["passed"]


def test_a_picture_that_cannot_be_drawn_is_told_of_and_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> bytes:
        raise ZeroDivisionError("nothing to divide")

    assert pictured("shares", fail) == {"shares": "could not be drawn: ZeroDivisionError: nothing to divide"}
    assert "'shares' could not be drawn" in caplog.text


def test_pace_is_given_for_stages_that_make_rows() -> None:
    table = pa.table({"path": ["a", "b"]})
    assert pace("raw_listing", table, 0.5) == {"seconds": 0.5, "images": 2, "images per second": 4.0}
    assert pace("sampling_weights", table, 0.5) == {"seconds": 0.5}
    assert pace(VERSION, None, 0.0) == {"seconds": 0.0}


class Context:
    """Stands for an execution context: keeps what is logged."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.log = logging.Logger("run")
        self.log.addFilter(lambda record: bool(self.said.append(record.getMessage())))


def test_what_a_stage_logs_reaches_the_runs_log_while_it_runs_and_from_its_thread_only() -> None:
    context = Context()
    logger = logging.getLogger("brev_pipeline.listing.s3_scan")
    with told(context):
        logger.info("list: 5 objects so far")
        logger.debug("not this")
        other = threading.Thread(target=logger.info, args=("from another run",))
        other.start()
        other.join()
    logger.info("after it")
    assert context.said == ["list: 5 objects so far"]
    assert logging.getLogger("brev_pipeline").handlers == []
