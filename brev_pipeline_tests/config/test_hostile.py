"""Whatever a file holds, reading it ends soon, in a configuration or in one error that names the place."""

import os
import time
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from brev_pipeline.config import load_config, parse_config
from brev_pipeline.config.yaml_tree import MAX_BYTES, MAX_DEPTH, MAX_VALUES, read_tree
from brev_pipeline.errors import ConfigError
from brev_pipeline_tests.config.mutations import SECRET, mutate
from brev_pipeline_tests.config.test_load import GOOD, REPOSITORY, problems

DEMO = (REPOSITORY / "configs" / "demo.yaml").read_text(encoding="utf-8")


def bomb(levels: int) -> str:
    letters = "abcdefghijklmnop"[: levels + 1]
    aliases = (f"{two}: &{two} [{', '.join(['*' + one] * 9)}]\n" for one, two in pairwise(letters))
    return "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(aliases)


@pytest.mark.parametrize("loader", ["CSafeLoader", "SafeLoader"])
def test_mutations_end_soon_as_a_configuration_or_an_error_of_ours(
    loader: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(yaml, "CSafeLoader", getattr(yaml, loader), raising=False)
    good = 0
    for seed in range(1000 if loader == "CSafeLoader" else 200):
        text = mutate(DEMO, seed)
        began = time.process_time()
        try:
            parse_config(text)
            good += 1
        except ConfigError as error:
            said = str(error)
            assert SECRET not in said, seed
            assert said.encode("utf-8"), seed
            assert len(said) < 30_000, seed
        assert time.process_time() - began < 1, seed
    # Some mutations, of comments for instance, change nothing that matters.
    assert good > 10


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (GOOD + "card: {published: 2026-11-31}", "vials.yaml:6: card.published: 2026-11-31 is no date"),
        (GOOD + "owners: &a [*a]", "vials.yaml:6: owners[0]: *a stands within &a, so it would never end"),
        (GOOD + "engine: &e {runtime_env: {x: *e}}", "vials.yaml:6: engine.runtime_env.x: *e stands within &e"),
        (GOOD + "owners: " + "[" * 3000, f"more than {MAX_DEPTH} lists and mappings within each other"),
        (GOOD + "owners: " + "[" * MAX_DEPTH + "]" * MAX_DEPTH, "within each other"),
        # a has 10 values, b 91, c 820, d 7,381: the second *d in e goes over 20,000.
        (bomb(8) + GOOD, f"vials.yaml:5: e[1]: more than {MAX_VALUES:,} keys and values"),
        (GOOD + "x: &x {a: 1}\ny: &y [[*x]]\n" + "z: *nowhere", "vials.yaml:8: z: *nowhere is an alias of nothing"),
        (GOOD + "owners: *a\nx: &a 1", "vials.yaml:6: owners: *a is an alias of nothing"),
        (GOOD + "#" * MAX_BYTES, "vials.yaml: is larger than 512 KiB"),
        (GOOD + "description: a\0b", "vials.yaml:6: not YAML: holds the control character U+0000"),
        (GOOD + 'description: "a\\0b"', "vials.yaml:6: description: holds the control character U+0000"),
        (GOOD + 'description: "a\\e[31mb"', "vials.yaml:6: description: holds the control character U+001B"),
        (GOOD + "---\nname: other", "vials.yaml:6: a second document begins here"),
        (GOOD + "description: !!python/name:os.system x", "the type !!python/name:os.system is not known here"),
        (GOOD + "owners: !!set {a, b}", "vials.yaml:6: owners: the type !!set is not known here"),
        (GOOD + "description: !secret x", "vials.yaml:6: description: the type !secret is not known here"),
        (GOOD + "1: x", "vials.yaml:6: 1: the key 1 is not read as a text here; put it into quotes"),
        (GOOD + "listing: {class_mapping: {no: bad}}", "listing.class_mapping.no: the key no is not read as a text"),
        (GOOD + "? [a]\n: b", "vials.yaml:6: a list or mapping stands here as a key"),
        (GOOD + "sampling: {seed: " + "9" * 5000 + "}", "is no number that can be used: has 5000 characters"),
        (GOOD + "sampling: {seed: 0x" + "f" * 90 + "}", "vials.yaml:6: sampling.seed: Input should be less than"),
        (GOOD + "shards: {target_shard_mb: .inf}", "vials.yaml:6: shards.target_shard_mb: .inf is no number"),
        (GOOD + "engine: {start_seconds: .nan}", "engine.start_seconds: .nan is no number that can be used"),
        (GOOD + "<<: [1]", "vials.yaml:6: <<: << takes a mapping"),
        (GOOD + "listing: {sample_filter: 'a{99999999999999}'}", "not a regular expression: the repetition number"),
        (GOOD + "split: {uniqueness: '" + "(" * 999 + ")" * 999 + "'}", "its groups are nested too deeply"),
        (GOOD + "split: {uniqueness: '" + "(a)" * 2000 + "'}", "a regular expression has at most 4000"),
        (GOOD + "listing: {url_template: '{path.x}'}", "only {path}, {bucket}"),
        (GOOD + "listing: {url_template: '{path:>999999999}'}", "only {path}, {bucket}"),
        (GOOD + "schedule: {cron: '" + "1," * 9999 + "1 * * * *'}", "at most 300 characters"),
        (GOOD + "name: =", "stands here twice"),
        (GOOD.replace("photos", "a/" * 9000), "has 18000 characters"),
    ],
    ids=lambda text: text[-40:],
)
def test_what_yaml_can_do_to_a_reader_is_one_error_with_its_place(text: str, said: str) -> None:
    began = time.process_time()
    found = problems(text)
    assert time.process_time() - began < 1
    assert any(said in line for line in found), found


def test_lists_as_deep_as_can_be_are_read() -> None:
    depth = MAX_DEPTH - 1  # the file itself is a mapping
    assert read_tree("a: " + "[" * depth + "]" * depth).root.depth == MAX_DEPTH


def test_depth_is_counted_through_aliases() -> None:
    half = "[" * 30 + "{}" + "]" * 30
    with pytest.raises(ConfigError, match=r"vials.yaml:2: b\[0\].*more than 50 lists and mappings"):
        parse_config(f"a: &a {half}\nb: {half.replace('{}', '*a')}", "vials.yaml")


@pytest.mark.parametrize(
    "text",
    [
        DEMO,
        (REPOSITORY / "configs" / "neurips_2018.yaml").read_text(encoding="utf-8"),
        "a: &a {x: 1, y: [2, {z: null}]}\nb: *a\nc: {<<: *a, x: 3, w: *a}\nd: {<<: [*a, {v: 1, x: 9}]}",
        "a: |\n  two\n  lines\nb: 'it''s'\nc: \"\\u00e9\"\nd: 2026-11-30\ne: 0x1f\nf: 1_000\ng: -.5\nh: yes\ni: ~",
        "j: !!str 5\nk: !!float 5\nl: ! x",
        "{}",
        "a: {}\nb: []\nc:\n",
        '"<<": 1',
    ],
    ids=lambda text: text[:30],
)
def test_good_yaml_is_read_as_pyyaml_reads_it(text: str) -> None:
    assert read_tree(text).root.value == yaml.safe_load(text)
    assert read_tree(text).problems == []


def test_lines_are_those_of_the_keys() -> None:
    tree = read_tree("a:\n  b:\n    - 1\n    - c: 2\n      d: [3,\n        4]\n")
    where = {("a",): 1, ("a", "b"): 2, ("a", "b", 0): 3, ("a", "b", 1, "d"): 5, ("a", "b", 1, "d", 1): 6}
    assert {path: tree.line_of(path) for path in where} == where
    assert tree.line_of(("a", "x")) == 1  # what is missing: its parent


def test_only_some_of_very_many_problems_are_told(tmp_path: Path) -> None:
    found = problems(GOOD + "".join(f"key_{number}: 1\n" for number in range(9000)))
    assert len(found) == 51
    assert found[-1] == "vials.yaml: and 8950 more problems"


def test_a_file_that_is_not_utf_8_is_named_with_the_line(tmp_path: Path) -> None:
    (tmp_path / "vials.yaml").write_bytes(GOOD.encode() + "description: défaut".encode("latin-1"))
    with pytest.raises(ConfigError, match=r"vials\.yaml:6: is not UTF-8 text"):
        load_config(tmp_path / "vials.yaml")


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    (tmp_path / "vials.yaml").write_bytes(b"\xef\xbb\xbf" + GOOD.strip().encode())
    assert load_config(tmp_path / "vials.yaml").name == "vials"


def test_what_is_no_regular_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "zero.yaml").symlink_to("/dev/zero")
    (tmp_path / "folder.yaml").mkdir()
    with (tmp_path / "sparse.yaml").open("wb") as file:
        file.truncate(8 << 30)
    said = {"pipe": "no regular file", "zero": "no regular file", "folder": "folder", "sparse": "larger than 512 KiB"}
    for name, words in said.items():
        with pytest.raises(ConfigError, match=words):
            load_config(tmp_path / f"{name}.yaml")


def test_a_number_where_a_text_belongs_is_told_to_be_quoted() -> None:
    (line,) = problems(GOOD + "description: 5")
    assert line.endswith("description: Input should be a valid string, got 5; put it into quotes")
