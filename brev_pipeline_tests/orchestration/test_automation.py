"""The sensor requests one run per state of the datasets, and says why it skips."""

import os
import re
import socket
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from brev_pipeline.config.operations import ScheduleSettings
from brev_pipeline.orchestration.automation import (
    build_freshness_policy,
    build_job,
    build_schedule,
    build_sensor,
    check_cron,
    find_longest_gap,
)
from brev_pipeline.orchestration.code_location import build_pipeline_definitions
from brev_pipeline_tests.pipelines import configure, draw_photos, run


def evaluate(sensor: dg.SensorDefinition, cursor: str | None) -> Any:
    with dg.DagsterInstance.ephemeral() as instance:
        return sensor.evaluate_tick(dg.build_sensor_context(instance=instance, cursor=cursor))


@pytest.mark.slow
def test_a_new_image_requests_one_run_and_the_same_state_none(tmp_path: Path) -> None:
    draw_photos(tmp_path / "photos", {"good": 3, "bad": 3})
    config = configure(tmp_path)
    sensor = build_sensor(config, build_job(config))

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
    assert request.tags["brev_pipeline/appeared"] == "2"
    assert request.tags["brev_pipeline/vanished"] == "1"


@pytest.mark.slow
def test_what_was_published_before_the_first_tick_is_not_new(tmp_path: Path) -> None:
    draw_photos(tmp_path / "photos", {"good": 3, "bad": 3})
    config = configure(tmp_path)
    assert run(config).success
    sensor = build_sensor(config, build_job(config))
    first = evaluate(sensor, None)
    assert first.run_requests == []
    assert first.skip_message == "nothing new: the 12 images of the newest version"
    assert evaluate(sensor, first.cursor).run_requests == []

    # Bytes may change while the size stays, as that of a bitmap does.
    photo = tmp_path / "photos/good/0_0.png"
    os.utime(photo, (0, 0))
    assert len(evaluate(sensor, None).run_requests) == 1


def swap(one: Path, other: Path) -> None:
    aside = one.with_name("aside")
    for source, target in ((one, aside), (other, one), (aside, other)):
        source.rename(target)


@pytest.mark.slow
def test_files_of_one_size_and_time_that_are_swapped_are_new_at_every_tick(tmp_path: Path) -> None:
    draw_photos(tmp_path / "photos", {"good": 3, "bad": 3})
    one, other = tmp_path / "photos/good/0_0.png", tmp_path / "photos/bad/0_0.png"
    # Bytes behind an image's end make two photos equally long.
    longest = max(one.stat().st_size, other.stat().st_size)
    for photo in (one, other):
        photo.write_bytes(photo.read_bytes().ljust(longest, b"\0"))
        os.utime(photo, ns=(0, 10**18))
    config = configure(tmp_path)
    assert run(config).success
    sensor = build_sensor(config, build_job(config))
    cursor = evaluate(sensor, None).cursor
    assert evaluate(sensor, cursor).run_requests == []
    swap(one, other)
    assert {photo.stat().st_size for photo in (one, other)} == {longest}
    assert len(evaluate(sensor, None).run_requests) == 1
    tick = evaluate(sensor, cursor)
    assert len(tick.run_requests) == 1
    assert evaluate(sensor, tick.cursor).run_requests == []


def test_images_that_go_and_come_back_are_new_once_more(tmp_path: Path) -> None:
    draw_photos(tmp_path / "photos", {"good": 2})
    config = configure(tmp_path)
    sensor = build_sensor(config, build_job(config))
    photo, aside = tmp_path / "photos/good/0_0.png", tmp_path / "aside.png"
    cursor, requests = None, []
    for move in (lambda: None, lambda: photo.rename(aside), lambda: aside.rename(photo), lambda: photo.rename(aside)):
        move()
        tick = evaluate(sensor, cursor)
        cursor = tick.cursor
        requests += tick.run_requests
    assert len(requests) == 4
    # Dagster would take a second request with the same key for one that it has met already.
    assert [request.run_key for request in requests] == [None] * 4


def test_datasets_that_cannot_be_listed_are_seen_as_a_failed_tick(tmp_path: Path) -> None:
    config = configure(tmp_path)
    with pytest.raises(dg.DagsterError, match="cannot be listed") as caught:
        evaluate(build_sensor(config, build_job(config)), None)
    assert str(tmp_path / "photos") in str(caught.value)


def test_a_server_that_does_not_answer_is_a_reason_to_skip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "something")
    monkeypatch.setattr("brev_pipeline.storage.s3.FIRST_PATIENCE", 0.1)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but nobody listens
        storage = {"endpoint_url": f"http://127.0.0.1:{taken.getsockname()[1]}", "region": "eu-west-1"}
        dataset = {"name": "Parts", "id": "parts", "bucket": "s3://parts/photos", "storage": storage}
        config = configure(tmp_path, datasets=[dataset])
        skipped = evaluate(build_sensor(config, build_job(config)), None)
    assert skipped.run_requests == []
    assert skipped.skip_message.startswith("the datasets cannot be listed now: ")


@pytest.mark.parametrize(
    ("trigger", "make_context"),
    [(build_schedule, dg.build_schedule_context), (build_sensor, dg.build_sensor_context)],
)
def test_no_run_is_requested_while_one_waits(tmp_path: Path, trigger: Any, make_context: Any) -> None:
    draw_photos(tmp_path / "photos", {"good": 2})
    config = configure(tmp_path)
    evaluated = trigger(config, build_job(config))
    job = build_pipeline_definitions(config).resolve_job_def(config.name)
    # The context opens the instance once more, and closes it only if it is closed itself.
    with dg.instance_for_test() as instance, make_context(instance=instance) as context:
        waiting = instance.create_run_for_job(job, status=dg.DagsterRunStatus.NOT_STARTED, tags=job.run_tags)
        skipped = evaluated.evaluate_tick(context)
        assert skipped.run_requests == []
        assert skipped.skip_message == f"run {waiting.run_id} waits in the queue already, and will see it"
        instance.report_run_canceled(waiting)
        assert len(evaluated.evaluate_tick(context).run_requests) == 1


def test_the_sensor_says_where_its_last_run_came_to_a_bad_end(tmp_path: Path) -> None:
    draw_photos(tmp_path / "photos", {"good": 2})
    config = configure(tmp_path)
    sensor = build_sensor(config, build_job(config))
    definition = build_pipeline_definitions(config).resolve_job_def(config.name)
    with dg.DagsterInstance.ephemeral() as instance:
        first = sensor.evaluate_tick(dg.build_sensor_context(instance=instance))
        failed = instance.create_run_for_job(
            definition, status=dg.DagsterRunStatus.FAILURE, tags={"dagster/sensor_name": sensor.name}
        )
        again = sensor.evaluate_tick(dg.build_sensor_context(instance=instance, cursor=first.cursor))
    assert f"the run for them, {failed.run_id}, ended as failure" in again.skip_message


@pytest.mark.parametrize(
    ("cron", "hours"),
    [
        ("* * * * *", 1 / 60),
        ("0 3 * * *", 24),
        ("0 3 * * 1-5", 72),
        ("*/15 8-18 * * mon-fri", 61.25),
        ("0 */6 * * *", 6),
        ("0 0 1 * *", 31 * 24),
        ("30 4 1,15 * 5", 7 * 24),
        ("0 3 * * 7", 7 * 24),
        ("0 0 29 2 *", 1461 * 24),
        ("5/20 * * * *", 1 / 3),
        ("@hourly", 1),
        ("@yearly", 366 * 24),
        ("0 0 L * *", 31 * 24),
        ("0 0 * * 5#2", 35 * 24),
        ("0 0 * * 1#5", 119 * 24),
        ("* * * 1 *", 335 * 24 + 1 / 60),
    ],
)
def test_the_longest_gap_of_a_cron(cron: str, hours: float) -> None:
    assert find_longest_gap(cron) == timedelta(hours=hours)


def test_one_missed_run_warns_and_two_fail() -> None:
    policy = build_freshness_policy(ScheduleSettings(cron="0 3 * * *", enabled=True))
    assert policy.warn_window.to_timedelta() == timedelta(hours=26.4)
    assert policy.fail_window.to_timedelta() == timedelta(hours=50.4)


@pytest.mark.parametrize("enabled", [True, False])
def test_every_asset_has_the_policy_where_the_schedule_is_on(tmp_path: Path, enabled: bool) -> None:
    definitions = build_pipeline_definitions(configure(tmp_path, schedule={"cron": "* * * * *", "enabled": enabled}))
    assert [spec.freshness_policy is not None for spec in definitions.resolve_all_asset_specs()] == [enabled] * 7


@pytest.mark.parametrize(
    "cron",
    [
        "0 3 * * *",
        "*/15 * * * mon-fri",
        "0,30 8-18/2 1 jan,jul 0-7",
        "59 23 31 12 7",
        "@daily",
        "0 0 L * *",
        "0 0 * * 5#2",
    ],
)
def test_a_cron_is_taken_as_dagster_takes_it(cron: str) -> None:
    assert check_cron(cron) == cron


@pytest.mark.parametrize(
    ("cron", "said"),
    [
        ("every day", "five fields"),
        ("0 3 * * * *", "five fields"),
        ("@reboot", "five fields"),
        ("61 3 * * *", "the minute '61' is not within 0..59"),
        ("*/0 3 * * *", "the minute '*/0'"),
        ("0 3 * foo *", "the month 'foo'"),
        ("0 0 * * 5#6", "the weekday '5#6'"),
        ("H 3 * * *", "the minute 'H'"),
        ("R 3 * * *", "R is drawn at random"),
        ("0 r(1-5)/2 * * *", "R is drawn at random"),
        ("0 0 31 4,6 *", "no month has such a day"),
    ],
)
def test_a_cron_that_dagster_cannot_keep_is_refused(cron: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        check_cron(cron)
