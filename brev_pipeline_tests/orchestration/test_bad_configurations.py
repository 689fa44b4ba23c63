"""A folder of configurations with bad ones among them: the good ones load, and what is missing is seen."""

import logging
import os
from pathlib import Path

import dagster as dg
import pytest

from brev_pipeline.config import PipelineConfig
from brev_pipeline.errors import ConfigError
from brev_pipeline.orchestration import code_location
from brev_pipeline.orchestration.code_location import BROKEN_GROUP, build_folder_definitions, build_pipeline_definitions
from brev_pipeline.release.assignments import refuse_foreign_store
from brev_pipeline.store import PipelineStore
from brev_pipeline_tests.pipelines import SETTINGS, configure, draw_photos, run


def named(name: str, more: str = "") -> str:
    return SETTINGS.replace("name: parts", f"name: {name}") + more


def groups(definitions: dg.Definitions) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for spec in definitions.resolve_all_asset_specs():
        found.setdefault(spec.group_name or "", set()).add(spec.key.path[-1])
    return found


def alarm(definitions: dg.Definitions) -> str:
    """What the ticks of the sensor fail with."""
    sensor = definitions.resolve_sensor_def(BROKEN_GROUP)
    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING
    with pytest.raises(dg.DagsterError) as caught:
        sensor.evaluate_tick(dg.build_sensor_context())
    return str(caught.value)


def test_every_bad_file_is_named_with_line_and_place_while_the_others_load(tmp_path: Path) -> None:
    texts = {
        "a.yaml": named("a"),
        "cron.yaml": named("b", "schedule: {cron: '0 0 31 2 *'}"),
        "zone.yaml": named("c", "schedule: {timezone: Europe/Copenhagn}"),
        "same.yaml": named("a"),
        "taken.yaml": named(BROKEN_GROUP),
        "step.yaml": named("a__raw_listing"),
        "other.yml": named("d"),
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    definitions = build_folder_definitions(tmp_path)
    assert set(groups(definitions)) == {"a", "d", BROKEN_GROUP}
    assert groups(definitions)[BROKEN_GROUP] == {"cron", "zone", "same", "taken", "step"}
    dg.Definitions.validate_loadable(definitions)
    said = alarm(definitions)
    assert f"{tmp_path}/cron.yaml:16: schedule.cron: '0 0 31 2 *': no month has such a day" in said
    assert f"{tmp_path}/zone.yaml:16: schedule.timezone: 'Europe/Copenhagn' is not an IANA time zone" in said
    assert f"{tmp_path}/same.yaml: name: a is the name of {tmp_path}/a.yaml too" in said
    assert f"{tmp_path}/taken.yaml:2: name: {BROKEN_GROUP} is kept for Dagster's own use" in said
    assert f"{tmp_path}/step.yaml:2: name: a__raw_listing is kept for Dagster's own use" in said


def test_bad_files_whose_names_differ_in_a_sign_only_are_all_shown(tmp_path: Path) -> None:
    for name in ("b 1.yaml", "b_1.yaml", "b_1.yml"):
        (tmp_path / name).write_text("name: [")
    definitions = build_folder_definitions(tmp_path)
    dg.Definitions.validate_loadable(definitions)
    assert len(groups(definitions)[BROKEN_GROUP]) == 3
    assert all(f"{tmp_path}/{name}" in alarm(definitions) for name in ("b 1.yaml", "b_1.yaml", "b_1.yml"))


def test_what_a_file_is_on_the_disk_hurts_no_other(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(named("a"))
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "zero.yaml").symlink_to("/dev/zero")
    (tmp_path / "gone.yaml").symlink_to(tmp_path / "nowhere")
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "défaut.yaml").write_bytes(b"name: \xff")
    (tmp_path / os.fsdecode(b"\xff.yaml")).write_text("name: [")
    definitions = build_folder_definitions(tmp_path)
    dg.Definitions.validate_loadable(definitions)
    assert set(groups(definitions)) == {"a", BROKEN_GROUP}
    assert len(groups(definitions)[BROKEN_GROUP]) == 6
    # As Dagster's server sends it.
    assert "\\xff.yaml:1: not YAML" in alarm(definitions).encode("utf-8").decode()
    for spec in definitions.resolve_all_asset_specs():
        assert f"{spec.key.path} {spec.description}".encode()


@pytest.mark.parametrize("raised", [RuntimeError, RecursionError, MemoryError, KeyError, AssertionError, OSError])
def test_whatever_building_a_pipeline_raises_stays_with_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, raised: type[Exception]
) -> None:
    def fail_for_b(config: PipelineConfig) -> dg.Definitions:
        if config.name == "b":
            raise raised("of https://user:hunter2@host")
        return build_pipeline_definitions(config)

    monkeypatch.setattr(code_location, "build_pipeline_definitions", fail_for_b)
    for name in "abc":
        (tmp_path / f"{name}.yaml").write_text(named(name))
    definitions = build_folder_definitions(tmp_path)
    assert set(groups(definitions)) == {"a", "c", BROKEN_GROUP}
    said = alarm(definitions)
    assert f"{tmp_path}/b.yaml: cannot be used: {raised.__name__}: " in said
    assert "it was not foreseen that a configuration does this: please report it" in said
    assert "hunter2" not in said


def test_a_person_who_interrupts_is_obeyed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: PipelineConfig) -> dg.Definitions:
        raise KeyboardInterrupt

    monkeypatch.setattr(code_location, "build_pipeline_definitions", interrupt)
    (tmp_path / "a.yaml").write_text(named("a"))
    with pytest.raises(KeyboardInterrupt):
        build_folder_definitions(tmp_path)


def test_a_name_that_only_the_whole_location_refuses_is_found_before_it_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Should the list of names that are kept ever lack one: the job's name is that of an op of another job."""
    monkeypatch.setattr("brev_pipeline.config.pipeline.OUR_NAMES", frozenset())
    for name in ("a", "purge"):
        (tmp_path / f"{name}.yaml").write_text(named(name))
    definitions = build_folder_definitions(tmp_path)
    dg.Definitions.validate_loadable(definitions)
    assert set(groups(definitions)) == {"a", BROKEN_GROUP}
    assert "Conflicting definitions" in alarm(definitions)


def test_no_sensor_cries_where_nothing_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(named("a"))
    definitions = build_folder_definitions(tmp_path)
    assert BROKEN_GROUP not in {sensor.name for sensor in definitions.sensors or []}


def test_names_that_look_like_those_of_another_pipelines_parts_do_not_collide(tmp_path: Path) -> None:
    for name in ("a", "a_schedule", "a_new_images", "a_raw_listing"):
        (tmp_path / f"{name}.yaml").write_text(named(name))
    definitions = build_folder_definitions(tmp_path)
    dg.Definitions.validate_loadable(definitions)
    assert set(groups(definitions)) == {"a", "a_schedule", "a_new_images", "a_raw_listing"}


def test_a_folder_that_is_not_there_loads_empty_and_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        definitions = build_folder_definitions(tmp_path / "nowhere")
    assert groups(definitions) == {}
    assert f"{tmp_path}/nowhere does not exist, so there are no pipelines" in caplog.text


@pytest.mark.slow
def test_a_store_of_another_pipeline_of_the_same_name_is_refused(tmp_path: Path) -> None:
    draw_photos(tmp_path / "photos", {"good": 4})
    config = configure(tmp_path)
    assert run(config).success
    grown = [{"name": "Parts", "id": "parts", "bucket": "photos"}, {"name": "More", "id": "more", "bucket": "more"}]
    refuse_foreign_store(configure(tmp_path, datasets=grown), PipelineStore.from_config(config))

    draw_photos(tmp_path / "elsewhere" / "photos", {"bad": 4})
    strangers = [{"name": "Parts", "id": "others", "bucket": str(tmp_path / "elsewhere" / "photos")}]
    refused = run(configure(tmp_path, datasets=strangers))
    assert not refused.success
    assert refused.materialized == []
    assert ConfigError.__name__ in refused.failures
    assert "belongs to another pipeline named parts: its newest version was made of the dataset(s) parts" in (
        refused.failures
    )
