"""A step is tried again after a fault that may pass, and after nothing else."""

import socket
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest

from brev_pipeline.config.models import RetrySettings
from brev_pipeline.errors import ListingError, SplitError, StoreError
from brev_pipeline.orchestration.build import pipeline_definitions
from brev_pipeline.orchestration.retries import failures_for_people
from brev_pipeline.storage.faults import S3Error
from brev_pipeline.store import Folder, PipelineStore
from brev_pipeline_tests.pipelines import configure, draw_photos

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
        with failures_for_people(context, TWICE):
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
    job = pipeline_definitions(config).resolve_job_def(config.name)
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
        store = PipelineStore.at("s3://bucket/store", "parts", storage)
        with pytest.raises(StoreError, match="cannot be read") as caught:
            store.versions.read("manifest.json")
    assert caught.value.may_pass


def configure_storage(endpoint: str) -> Any:
    from brev_pipeline.config import StorageSettings

    return StorageSettings(endpoint_url=endpoint, region="eu-west-1")
