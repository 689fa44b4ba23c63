"""A run tells its story: counts that plot, pictures that open, and a page behind every check."""

import base64
import io
import logging
import re
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest
from PIL import Image

from brev_pipeline.config.operations import RetrySettings
from brev_pipeline.errors import ListingError, SplitError, StoreError
from brev_pipeline.expectations import SUITES, Finding
from brev_pipeline.orchestration.asset_checks import CheckResultStore
from brev_pipeline.orchestration.code_location import build_pipeline_definitions
from brev_pipeline.orchestration.metadata import picture_metadata
from brev_pipeline.orchestration.steps import forward_logs, pace_metadata, retry_or_fail
from brev_pipeline.provenance import StageRecord
from brev_pipeline.stages import VERSION
from brev_pipeline.storage.storage_errors import S3Error
from brev_pipeline.store import Folder, PipelineStore
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
    from brev_pipeline.expectations.data_docs import render_data_docs

    verdicts = CheckResultStore(finished.store.tables)
    run_id = finished.result.run_id
    found = {stage: verdicts.read_newest(table_name(finished.store, run_id, stage)) for stage in STAGES}
    assert {stage: list(entries) for stage, entries in found.items()} == {
        stage: [rule.name for rule in SUITES[stage](configure(Path()))] for stage in STAGES
    }
    results = {stage: [entry["result"] for entry in entries.values()] for stage, entries in found.items()}
    assert len(render_data_docs(results)) == len(STAGES) + 1


def test_a_failed_check_has_its_page_too_and_an_earlier_page_is_kept(tmp_path: Path) -> None:
    verdicts = CheckResultStore(Folder(str(tmp_path)))
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
    assert not verdicts.read_newest("run/sample_split.1.parquet")[rule.name]["passed"]


def test_a_picture_that_cannot_be_drawn_is_told_of_and_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> bytes:
        raise ZeroDivisionError("nothing to divide")

    assert picture_metadata("shares", fail) == {"shares": "could not be drawn: ZeroDivisionError: nothing to divide"}
    assert "'shares' could not be drawn" in caplog.text


def test_pace_is_given_for_stages_that_make_rows() -> None:
    table = pa.table({"path": ["a", "b"]})
    assert pace_metadata("raw_listing", table, 0.5) == {"seconds": 0.5, "images": 2, "images per second": 4.0}
    assert pace_metadata("sampling_weights", table, 0.5) == {"seconds": 0.5}
    assert pace_metadata(VERSION, None, 0.0) == {"seconds": 0.0}


class Context:
    """Stands for an execution context: keeps what is logged."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.log = logging.Logger("run")
        self.log.addFilter(lambda record: bool(self.said.append(record.getMessage())))


def test_what_a_stage_logs_reaches_the_runs_log_while_it_runs_and_from_its_thread_only() -> None:
    context = Context()
    logger = logging.getLogger("brev_pipeline.listing.s3_scan")
    with forward_logs(context):
        logger.info("list: 5 objects so far")
        logger.debug("not this")
        other = threading.Thread(target=logger.info, args=("from another run",))
        other.start()
        other.join()
    logger.info("after it")
    assert context.said == ["list: 5 objects so far"]
    assert logging.getLogger("brev_pipeline").handlers == []


TWICE = RetrySettings(times=2, wait_seconds=0)


def unreachable() -> Exception:
    return StoreError("s3://store cannot be read: no route", passing=True)


def wrapped() -> Exception:
    error = ListingError("dataset 'Parts' (s3://parts): the server kept answering 503")
    error.__cause__ = S3Error("unreachable", "the server kept answering 503", passing=True)
    return error


def missing() -> Exception:
    return StoreError("tables/1.parquet cannot be read: No such file or directory")


def unsplittable() -> Exception:
    return SplitError("split.uniqueness: matches none of the 12 paths")


def a_bug() -> Exception:
    return TypeError("unsupported operand")


def materialize(make: Callable[[], Exception], failures: int) -> SimpleNamespace:
    tried: list[int] = []

    @dg.asset
    def shaky(context: dg.AssetExecutionContext) -> None:
        with retry_or_fail(context, TWICE):
            tried.append(context.retry_number)
            if len(tried) <= failures:
                raise make()

    result = dg.materialize([shaky], raise_on_error=False)
    failed = [event for event in result.all_events if event.event_type_value == "STEP_FAILURE"]
    said = [e.step_failure_data.user_failure_data.description for e in failed if e.step_failure_data.user_failure_data]
    return SimpleNamespace(success=result.success, tries=len(tried), said="".join(said))


@pytest.mark.parametrize("error", [unreachable, wrapped])
def test_what_passes_in_time_costs_nothing_but_time(error: Callable[[], Exception]) -> None:
    done = materialize(error, failures=2)
    assert done.success
    assert done.tries == 3


def test_what_does_not_pass_in_time_fails_with_its_own_words() -> None:
    done = materialize(unreachable, failures=99)
    assert not done.success
    assert done.tries == 3
    assert done.said == "StoreError: s3://store cannot be read: no route (tried 3 times)"


@pytest.mark.parametrize("error", [missing, unsplittable, a_bug])
def test_what_cannot_pass_is_tried_once(error: Callable[[], Exception]) -> None:
    done = materialize(error, failures=99)
    assert not done.success
    assert done.tries == 1


def test_a_recorded_table_that_is_gone_fails_for_good(tmp_path: Path) -> None:
    draw_photos(tmp_path / "photos", {"good": 3})
    config = configure(tmp_path, retry={"times": 3, "wait_seconds": 0})
    job = build_pipeline_definitions(config).resolve_job_def(config.name)
    with dg.DagsterInstance.ephemeral() as instance:
        listing = [dg.AssetKey([config.name, "raw_listing"])]
        assert job.execute_in_process(instance=instance, asset_selection=listing).success
        (table,) = (tmp_path / "store").rglob("raw_listing.*.parquet")
        table.unlink()
        later = job.execute_in_process(
            instance=instance, asset_selection=[dg.AssetKey([config.name, "sample_integrity"])], raise_on_error=False
        )
    events = [event.event_type_value for event in later.all_events]
    assert events.count("STEP_FAILURE") == 1
    assert "STEP_UP_FOR_RETRY" not in events
    (failure,) = [event for event in later.all_events if event.event_type_value == "STEP_FAILURE"]
    assert str(table) in failure.step_failure_data.user_failure_data.description


def test_a_local_store_that_lacks_a_file_or_a_right_is_not_passing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for folder in (Folder(str(tmp_path / "nowhere")), Folder(str(tmp_path / "file"))):
        with pytest.raises(StoreError) as caught:
            folder.read("table.parquet")
        assert not caught.value.may_pass


@pytest.mark.slow
def test_a_store_that_no_server_answers_for_may_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "something")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but nobody listens
        storage = configure_storage(f"http://127.0.0.1:{taken.getsockname()[1]}")
        store = PipelineStore.at_url("s3://bucket/store", "parts", storage)
        with pytest.raises(StoreError, match="cannot be read") as caught:
            store.versions.read("manifest.json")
    assert caught.value.may_pass


def configure_storage(endpoint: str) -> Any:
    from brev_pipeline.config import StorageSettings

    return StorageSettings(endpoint_url=endpoint, region="eu-west-1")
