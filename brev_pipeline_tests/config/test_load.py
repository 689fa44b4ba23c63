"""A configuration says all that is wrong with it at once, each with its place."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from brev_pipeline.config import PipelineConfig, SplitSettings, build_settings, load_config, parse_config
from brev_pipeline.errors import ConfigError

REPOSITORY = Path(__file__).resolve().parents[2]

GOOD = """
name: vials
store: ./store
datasets:
  - {name: Vials, id: v, bucket: photos}
"""


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse_config(text, "vials.yaml")
    return str(caught.value).splitlines()


@pytest.mark.parametrize("file", sorted((REPOSITORY / "configs").glob("*.yaml")), ids=lambda file: file.stem)
def test_the_shipped_configurations_load(file: Path) -> None:
    assert load_config(file).name == file.stem


def test_the_shipped_schema_is_that_of_the_model() -> None:
    import json

    shipped = json.loads((REPOSITORY / "configs" / "schema.json").read_text(encoding="utf-8"))
    assert shipped == PipelineConfig.model_json_schema(), "run: brev-pipeline schema"


def test_the_seeds_settings_are_those_of_the_notebook() -> None:
    config = load_config(REPOSITORY / "configs" / "neurips_2018.yaml")
    (dataset,) = config.datasets
    assert dataset.bucket == "s3://public.data.criterion.ai/data/NeurIPS_2018_reduced"
    assert dataset.storage.anon
    assert dataset.storage.endpoint_url == "https://s3-eu-west-1.amazonaws.com"
    assert (config.split.stratification, config.split.uniqueness) == (["folder"], r"/(\d*)_\d*.bmp")
    assert (config.split.purposes, config.split.remainder, config.split.seed) == ({"train": 0.8}, "devel", 42)
    assert (config.sampling.group_weighing, config.sampling.seed) == ("logx+1", 3)
    assert config.image.target_size == (128, 128)


def test_all_problems_come_at_once_each_with_line_and_path() -> None:
    found = problems(
        """name: 1st
store: ./store
datasets:
  - name: Vials
    id: v
    bucket: s3://
  - {name: More, id: v}
image: {target_size: [0, 128]}
sampling:
  sede: 3
"""
    )
    places = {line.partition(": ")[0] + " " + line.split(": ")[1] for line in found}
    assert places == {
        "vials.yaml:1 name",
        "vials.yaml:6 datasets[0].bucket",
        "vials.yaml:7 datasets[1].bucket",
        "vials.yaml:8 image.target_size",
        "vials.yaml:10 sampling.sede",
    }


def test_an_unknown_key_is_an_error_that_names_the_likely_one() -> None:
    (line,) = problems(GOOD + "split: {purpose: {train: 0.8}}")
    assert line.endswith("split.purpose: unknown key; did you mean purposes?")


@pytest.mark.parametrize("key", ["key", "secret", "token", "aws_secret_access_key"])
def test_credentials_in_the_file_are_refused_without_repeating_them(key: str) -> None:
    (line,) = problems(GOOD.replace("bucket: photos", f"bucket: s3://b, storage: {{{key}: hunter2}}"))
    assert "credentials do not belong" in line
    assert "hunter2" not in line


@pytest.mark.parametrize(
    ("section", "place", "said"),
    [
        ("split: {uniqueness: 'a(b'}", "split.uniqueness", "not a regular expression"),
        ("split: {uniqueness: 'abc'}", "split.uniqueness", "has no group"),
        ("split: {purposes: {train: 0.8, test: 0.3}}", "split.purposes", "more than 1"),
        ("split: {purposes: {train: 1.5}}", "split.purposes.train", "less than or equal to 1"),
        ("split: {purposes: {devel: 0.5}}", "split", "is one of the purposes too"),
        ("split: {seed: -1}", "split.seed", "greater than or equal to 0"),
        ("split: {method: coin}", "split.method", "ranked_hash"),
        ("listing: {sample_filter: '['}", "listing.sample_filter", "not a regular expression"),
        ("listing: {url_template: '{pth}'}", "listing.url_template", "are known"),
        ("image: {rois: [[[5, 5], [5, 9]]]}", "image.rois", "empty or negative"),
        ("image: {background: [0, 0, 300]}", "image.background", "0..255"),
        *(
            (f"image: {{intensity: {given}}}", "image.intensity", "takes full_range, min_max, {window: [low, high]}")
            for given in (
                "fullrange",
                "{windw: [1, 2]}",
                "{window: [1]}",
                "{window: [0.5, 2]}",
                "{window: {low: 1}}",
                "{window: [0, 1], percentile: [1, 99]}",
                "{percentile: [a, 9]}",
                "[1, 2]",
                "null",
                "{}",
            )
        ),
        (
            "image: {intensity: {window: [9, 3]}}",
            "image.intensity.window",
            "must rise within -32768..65535, got [9, 3]",
        ),
        ("image: {intensity: {percentile: [0, 101]}}", "image.intensity.percentile", "within 0..100 percent"),
        ("schedule: {timezone: Mars/Base}", "schedule.timezone", "IANA"),
        ("owners: [nobody]", "owners", "e-mail"),
        ("engine: {workers: 0}", "engine.workers", "greater than 0"),
        ("sampling: {purposes: [test]}", "sampling.purposes", "names ['test'], but the split has only"),
        ("shards: {encoding: bmp}", "shards.encoding", "png"),
        ("augmentation: {noise: {contrast: [2, 1]}}", "augmentation.noise.contrast", "lower end"),
    ],
)
def test_a_wrong_value_is_named_with_its_path(section: str, place: str, said: str) -> None:
    found = problems(GOOD + section)
    assert any(f": {place}: " in line and said in line for line in found), found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no settings"),
        ("- a\n- b", "holds no settings"),
        ("name: [", "not YAML"),
        ("name: a\n\tstore: b", "not YAML"),
        (GOOD + "name: again", "stands here twice"),
        (GOOD.replace("store: ./store", ""), "store: is missing"),
        (GOOD.replace("photos", "gs://photos"), "only s3:// and local folders"),
        (GOOD + "  - {name: Other, id: v, bucket: other}", "same id: v"),
        (GOOD + "  - {name: Other, id: w, bucket: photos}", "same bucket: photos"),
    ],
)
def test_a_file_that_is_no_configuration_is_refused(text: str, said: str) -> None:
    assert any(said in line for line in problems(text))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yaml: cannot be read: No such file"):
        load_config(tmp_path / "nowhere.yaml")


def test_relative_places_are_meant_from_the_files_folder(tmp_path: Path) -> None:
    file = tmp_path / "configs" / "vials.yaml"
    file.parent.mkdir()
    file.write_text(GOOD)
    config = load_config(file)
    assert config.resolve_location(config.store) == str(tmp_path / "configs" / "store")
    assert config.resolve_location("s3://bucket/store") == "s3://bucket/store"


def test_contents_leave_out_where_and_when_the_pipeline_runs() -> None:
    here = parse_config(GOOD + "engine: {workers: 2}")
    there = parse_config(GOOD.replace("./store", "/elsewhere") + "schedule: {enabled: true}")
    assert here.content_settings() == there.content_settings()


def test_a_configuration_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        parse_config(GOOD).name = "other"  # type: ignore[misc]


def test_what_may_not_be_meant_is_told_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    cluster = "engine: {kind: ray, address: 'head:6379'}"
    assert parse_config(GOOD, base=tmp_path).setup_warnings == []
    told = parse_config(GOOD + cluster, base=tmp_path).setup_warnings
    assert told == [
        f"{path} is a local folder, but engine.kind is ray: every machine of the cluster has to see it under this very "
        "path; use a disk that all of them share, or s3://"
        for path in ("store: ./store", "datasets[0].bucket: photos")
    ]
    many = "".join(f"\n  - {{name: x, id: x{number}, bucket: x{number}}}" for number in range(30))
    told = parse_config(GOOD.rstrip() + many, base=tmp_path).setup_warnings
    assert len(told) == 21
    assert told[-1] == "and 10 more such places"


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({"listing": {"class_mapping": {"a": ""}}}, "mapped to no category"),
        ({"listing": {"class_mapping": {"a": []}}}, "mapped to no category"),
        (
            {"listing": {"category": "none", "classes": ["a"]}},
            "category is none, and no source under datasets[].labels says a class: remove",
        ),
        ({"listing": {"category": 3}}, "or none where the images have no class"),
        ({"split": {"given": {"folder": True}}}, "split.given.folder"),
        ({"split": {"given": {"labels": False}}}, "split.given.labels"),
        ({"split": {"given": {"labels": True, "folder": 0}}}, "give one of folder, pattern, table, lists, labels, got"),
        ({"split": {"given": {"labels": True}}}, "no table under datasets[].labels names the column of the purpose"),
        ({"split": {"area_bins": [0.1]}}, "split.area_bins: no dataset has labels"),
        ({"split": {"area_bins": [0.1, 0.1]}}, "bounds ascend, and none stands there twice"),
        ({"split": {"area_bins": [1.0]}}, "split.area_bins[0]"),
        ({"split": {"given": {"folder": "0"}}}, "split.given.folder"),
        ({"split": {"given": {"lists": {"dev": "a.txt"}}}}, "given.lists has the words ['dev'], which are no purposes"),
        ({"split": {"given": {"lists": {"train": "a.txt"}, "words": {"x": None}}}}, "words names ['x'], but the lists"),
    ],
)
def test_what_nobody_can_have_meant_is_refused(sections: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(yaml.safe_dump(yaml.safe_load(GOOD) | sections), "a.yaml")
    assert said in str(caught.value)


def test_shares_that_fill_everything_leave_nothing() -> None:
    split = build_settings(SplitSettings, {"purposes": {"train": 0.7, "test": 0.2, "val": 0.1}})
    assert split.shares == {"train": 0.7, "test": 0.2, "val": 0.1, "devel": 0.0}
