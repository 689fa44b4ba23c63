"""What a table says of its making is compared with the present, and with the tables beside it."""

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from brev_pipeline.config import PipelineConfig
from brev_pipeline.errors import StoreError
from brev_pipeline.provenance import (
    PROVENANCE,
    Lineage,
    StaleTableError,
    attach_provenance,
    check_current,
    read_lineage,
    table_id,
)
from brev_pipeline.stages import PACKAGES, SPECS, inputs_of, table_stages
from brev_pipeline_tests.pipelines import configure


def made(config: PipelineConfig, content: str = "a", **other: str) -> dict[str, Lineage]:
    """Stage → lineage of a table, of a whole run over some content; ``other``: stage → content of its table."""
    lineages: dict[str, Lineage] = {}
    for stage in table_stages():
        table = pa.table({"path": [other.get(stage, content)]})
        before = {name: lineages[name] for name in inputs_of(stage)}
        table = attach_provenance(table, stage, config, before)
        lineages[stage] = read_lineage(table.schema.metadata, stage, "table")
    return lineages


def test_tables_of_one_run_agree(tmp_path: Path) -> None:
    check_current(configure(tmp_path), made(configure(tmp_path)))


@pytest.mark.parametrize("stage", table_stages()[:-1])
def test_a_stage_that_was_made_anew_of_other_data_is_refused_beside_what_came_of_the_old_one(
    tmp_path: Path, stage: str
) -> None:
    config = configure(tmp_path)
    lineages = made(config)
    lineages[stage] = made(config, **{stage: "b"})[stage]
    with pytest.raises(StaleTableError, match=f"came of another {stage} than stands now") as caught:
        check_current(config, lineages)
    first = next(name for name in SPECS if stage in inputs_of(name))
    assert f"Materialize {first} and everything after it" in str(caught.value)


def test_tables_that_came_of_two_listings_are_refused_where_no_listing_is_loaded(tmp_path: Path) -> None:
    config = configure(tmp_path)
    lineages = {"sample_split": made(config)["sample_split"], "prepared_images": made(config, "b")["prepared_images"]}
    with pytest.raises(StaleTableError, match="came of another"):
        check_current(config, lineages)


def test_a_setting_far_up_is_told_with_its_old_and_new_value(tmp_path: Path) -> None:
    lineages = {"sampling_weights": made(configure(tmp_path))["sampling_weights"]}
    with pytest.raises(StaleTableError) as caught:
        check_current(configure(tmp_path, image={"target_size": [8, 9]}), lineages)
    assert "prepared_images: image.target_size: [24, 32] → [8, 9]" in str(caught.value)
    assert "Materialize prepared_images and everything after it" in str(caught.value)


def test_the_order_of_purposes_is_a_setting(tmp_path: Path) -> None:
    """They are filled in their order, which JSON does not keep."""
    split = configure(tmp_path).split.model_dump(mode="json")
    turned = split | {"purposes": dict(reversed(split["purposes"].items()))}
    with pytest.raises(StaleTableError, match=r"split\.purposes"):
        check_current(configure(tmp_path, split=turned), made(configure(tmp_path)))


def test_another_intensity_makes_prepared_images_stale(tmp_path: Path) -> None:
    lineages = made(configure(tmp_path))
    changed = configure(tmp_path, image={"target_size": [24, 32], "intensity": {"window": [0, 4095]}})
    with pytest.raises(StaleTableError) as caught:
        check_current(changed, lineages)
    assert 'prepared_images: image.intensity: "full_range" → {"window": [0, 4095]}' in str(caught.value)
    assert "Materialize prepared_images and everything after it" in str(caught.value)


def test_what_only_judges_or_only_publishes_makes_no_table_stale(tmp_path: Path) -> None:
    lineages = made(configure(tmp_path))
    split = configure(tmp_path).split.model_dump(mode="json")
    judged = {"validation": {"raw_listing": {"min_images": 3}}, "card": {"license": "MIT"}, "retry": {"times": 1}}
    changed = configure(tmp_path, split=split | {"allow_moves": True, "access_log": ["test"]}, **judged)
    check_current(changed, lineages)


def test_a_package_that_the_result_rests_on_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lineages = made(configure(tmp_path))
    old = lineages["prepared_images"]["prepared_images"]
    record = replace(old, code={**old.code, "Pillow": "1.0"})
    lineages["prepared_images"]["prepared_images"] = record
    with pytest.raises(StaleTableError, match=r'prepared_images: version of Pillow: "1\.0" → '):
        check_current(configure(tmp_path), {"prepared_images": lineages["prepared_images"]})


def test_every_package_that_bytes_depend_on_is_one_of_a_stage() -> None:
    named = {package for spec in SPECS.values() for package in spec.packages}
    assert named | {"brev-pipeline"} == set(PACKAGES)


@pytest.mark.parametrize("data", [None, b"", b"[]", b"null", b"{", b'{"sample_split": 1}', b'{"other": {}}'])
def test_a_table_that_does_not_say_what_made_it_is_refused(data: bytes | None) -> None:
    metadata = {} if data is None else {PROVENANCE: data}
    with pytest.raises(StaleTableError, match="does not say what it was made of"):
        read_lineage(metadata, "sample_split", "run/table")


def test_a_file_of_known_assignments_that_was_edited_is_told_and_one_that_is_gone_named(tmp_path: Path) -> None:
    split = configure(tmp_path).split.model_dump(mode="json") | {"ledger_csv": "ledger.csv"}
    config = configure(tmp_path, split=split)
    (tmp_path / "ledger.csv").write_text("path,purpose\na,train\n")
    lineages = made(config)  # made without having read it
    with pytest.raises(StaleTableError, match=r"sample_split: content of split\.ledger_csv: null → "):
        check_current(config, {"sample_split": lineages["sample_split"]})
    (tmp_path / "ledger.csv").unlink()
    with pytest.raises(StoreError, match=r"split\.ledger_csv: .* cannot be read"):
        check_current(config, {"sample_split": lineages["sample_split"]})


def test_the_images_that_the_listing_left_out_are_part_of_what_it_is() -> None:
    table = pa.table({"path": ["a"]})
    other = table.replace_schema_metadata({b"brev_pipeline.filtered": b"1.parquet"})
    assert table_id("raw_listing", table) != table_id("raw_listing", other)
