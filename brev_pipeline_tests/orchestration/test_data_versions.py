"""What Dagster's UI takes for stale: what came of other content or other settings, and nothing else."""

from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest

from brev_pipeline.orchestration.code_location import build_pipeline_definitions
from brev_pipeline.provenance import code_version, table_id
from brev_pipeline.stages import VERSION
from brev_pipeline_tests.pipelines import STAGES, configure, draw_photos

pytestmark = pytest.mark.slow


def table(**columns: list[Any]) -> pa.Table:
    return pa.table(columns)


def test_the_same_content_has_the_same_version_however_it_lies_in_memory() -> None:
    whole = table(path=["a", "b", "c", "d"], size=[1, 2, None, 4])
    parts = pa.concat_tables([whole.slice(0, 1), whole.slice(1)]).replace_schema_metadata({"run": "7"})
    assert table_id("raw_listing", whole) == table_id("raw_listing", parts)
    assert len(table_id("raw_listing", whole)) == 32


def test_other_content_has_another_version() -> None:
    versions = {
        table_id("raw_listing", table(path=paths, size=sizes))
        for paths in (["a", "b"], ["b", "a"], ["ab", ""], ["a", None])
        for sizes in ([1, 2], [1, None])
    }
    assert len(versions) == 8


def test_what_tells_of_the_run_does_not_count() -> None:
    old, new = (table(path=["a"], modified=[time]) for time in (1, 2))
    assert table_id("raw_listing", old) == table_id("raw_listing", new)
    there, here = (table(content_id=["a"], offset=[at]) for at in (1, 2))
    assert table_id("prepared_images", there) == table_id("prepared_images", here)
    assert table_id("tfrecord_shards", there) != table_id("tfrecord_shards", here)


@pytest.mark.parametrize(
    ("sections", "changed"),
    [
        ({"split": {"uniqueness": r"/(\d+)_\d+\.png$", "seed": 7}}, {"sample_split", VERSION}),
        ({"image": {"target_size": [8, 8]}}, {"prepared_images", VERSION}),
        ({"sampling": {"groupby": ["folder"], "group_weighing": "logx+1", "seed": 4}}, {"tfrecord_shards", VERSION}),
        ({"sampling": {"seed": 4}}, {"sampling_weights", "tfrecord_shards", VERSION}),
        ({"validation": {"raw_listing": {"min_images": 2}}, "integrity": {"label_conflicts": "fail"}}, {VERSION}),
        ({"schedule": {"enabled": True}, "engine": {"workers": 2}, "store": "elsewhere"}, set()),
    ],
)
def test_a_setting_makes_stale_what_reads_it(tmp_path: Path, sections: dict[str, Any], changed: set[str]) -> None:
    before, after = configure(tmp_path), configure(tmp_path, **sections)
    assert {s for s in (*STAGES, VERSION) if code_version(before, s) != code_version(after, s)} == changed


def test_a_second_run_over_the_same_images_gives_every_asset_its_version_again(tmp_path: Path) -> None:
    draw_photos(tmp_path / "photos", {"good": 5, "bad": 4})
    config = configure(tmp_path)
    job = build_pipeline_definitions(config).resolve_job_def(config.name)
    with dg.DagsterInstance.ephemeral() as instance:
        seen = [versions(job.execute_in_process(instance=instance)) for _ in range(2)]
        (tmp_path / "photos/good/0_0.png").touch()
        seen.append(versions(job.execute_in_process(instance=instance)))
    assert set(seen[0]) == {*STAGES, VERSION}
    assert seen[0] == seen[1] == seen[2]


def versions(result: Any) -> dict[str, str]:
    return {
        event.asset_key.path[-1]: event.step_materialization_data.materialization.tags["dagster/data_version"]
        for event in result.get_asset_materialization_events()
    }
