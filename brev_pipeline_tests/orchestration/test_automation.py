"""The sensor requests one run per state of the datasets, and says why it skips."""

from pathlib import Path
from typing import Any

import dagster as dg

from brev_pipeline.orchestration.automation import pipeline_job, pipeline_sensor
from brev_pipeline_tests.pipelines import configure, draw_photos, run


def evaluate(sensor: dg.SensorDefinition, cursor: str | None) -> Any:
    with dg.DagsterInstance.ephemeral() as instance:
        return sensor.evaluate_tick(dg.build_sensor_context(instance=instance, cursor=cursor))


def test_a_new_image_requests_one_run_and_the_same_state_none(tmp_path: Path) -> None:
    draw_photos(tmp_path / "photos", {"good": 3, "bad": 3})
    config = configure(tmp_path)
    sensor = pipeline_sensor(config, pipeline_job(config))

    first = evaluate(sensor, None)
    (request,) = first.run_requests
    assert request.tags["brev_pipeline/images"] == "12"
    assert request.tags["brev_pipeline/appeared"] == "12"

    again = evaluate(sensor, first.cursor)
    assert again.run_requests == []
    assert again.skip_message == "nothing new: the same 12 images as before"

    assert run(config).success
    draw_photos(tmp_path / "photos", {"good": 4})
    (tmp_path / "photos/bad/0_0.png").unlink()
    third = evaluate(sensor, first.cursor)
    (request,) = third.run_requests
    assert request.run_key != first.run_requests[0].run_key
    assert request.tags["brev_pipeline/appeared"] == "2"
    assert request.tags["brev_pipeline/vanished"] == "1"


def test_datasets_that_cannot_be_listed_are_a_reason_to_skip(tmp_path: Path) -> None:
    config = configure(tmp_path)
    skipped = evaluate(pipeline_sensor(config, pipeline_job(config)), None)
    assert skipped.run_requests == []
    assert "cannot be listed" in skipped.skip_message
    assert "photos" in skipped.skip_message
