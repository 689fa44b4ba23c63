import gzip
import re
import unicodedata
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brev_pipeline.config import ListingSettings
from brev_pipeline.config.load import build_settings
from brev_pipeline.errors import ConfigError, ListingError
from brev_pipeline.listing import list_datasets
from brev_pipeline.listing.class_checks import ListingFindings, find_odd_classes
from brev_pipeline.listing.path_classes import (
    ClassNameCounts,
    ClassRules,
    classify_keys,
    count_class_names,
    find_folder_runs,
)
from brev_pipeline.storage import Sources
from brev_pipeline.texts import TEXT
from brev_pipeline_tests.buckets import config_of

E_ACUTE = "\u00e9"
E_THEN_ACUTE = "e\u0301"
PARTS = st.sampled_from(["a", "b", "OK", E_ACUTE, E_THEN_ACUTE, "train", "x y"])
PATHS = st.lists(st.lists(PARTS, max_size=4), min_size=1, max_size=12).map(
    lambda folders: sorted({"/".join([*parts, f"{n}_a.png"]) for n, parts in enumerate(folders)}, key=str.encode)
)
MAPPINGS = st.dictionaries(
    st.sampled_from(["a", E_ACUTE, "OK", "__root__"]),
    st.lists(st.sampled_from(["y", "z", E_THEN_ACUTE]), min_size=1, max_size=2),
)
RULES: list[Any] = [
    {"folder": -1},
    {"folder": 0},
    {"folder": -2},
    {"folder": 1},
    {"folder": [0, -1]},
    r"/(?P<category>[^/]*)/[^/]*$",
    r"/(?P<category>a|b|\u00e9)/(?:.*(?P<category_2>[ab])\.png$)?",
]


def nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def by_hand(path: str, rule: Any, mapping: dict[str, list[str]]) -> list[str]:
    """The categories of one path, from what the documentation says, without a word of the implementation."""
    renames = {nfc(key): list(map(nfc, names)) for key, names in mapping.items()}
    parts = list(map(nfc, path.split("/")[:-1]))
    if isinstance(rule, str):
        match = re.search(rule, nfc("/" + path))
        names = [] if match is None else [name for name in match.groupdict().values() if name]
    elif isinstance(rule["folder"], list):
        names = []
        for level in rule["folder"]:
            try:
                names.append(parts[level])
            except IndexError:
                names += ["__root__"] if not parts and level == -1 else []
    else:
        level = rule["folder"]
        try:
            own = parts[level]
            upwards = [*parts[level::-1], "__root__"]
        except IndexError:
            own = "__root__" if not parts and level == -1 else ""
            upwards = ["__root__"]
        nearest = [renames[part] for part in upwards if part in renames]
        return list(dict.fromkeys(nearest[0])) if nearest else [own] * bool(own)
    return list(dict.fromkeys(new for name in names for new in renames.get(name, [name])))


@given(PATHS, st.sampled_from(RULES), MAPPINGS)
def test_classes_are_what_a_look_at_each_path_finds(paths: list[str], rule: Any, mapping: dict[str, list[str]]) -> None:
    namer = ClassRules(ListingSettings(category=rule, class_mapping=mapping))
    keys = pa.array(paths, TEXT)
    described = classify_keys(keys, find_folder_runs(keys), namer)
    found = [described.classes[row].categories for row in described.rows]
    wanted = [by_hand(path, rule, mapping) for path in paths]
    assert found == wanted
    names = count_class_names(keys, namer)
    assert names.categories == Counter(name for one in wanted for name in one)
    assert names.images == len(paths)


def test_one_name_in_two_forms_may_not_be_mapped_to_two_things() -> None:
    same = ListingSettings(class_mapping={E_ACUTE: ["x"], E_THEN_ACUTE: ["x"]})
    assert ClassRules(same).classify_folder(f"{E_THEN_ACUTE}/").categories == ["x"]
    with pytest.raises(ListingError, match="twice, in two of Unicode's forms"):
        ClassRules(ListingSettings(class_mapping={E_ACUTE: ["x"], E_THEN_ACUTE: ["y"]}))


@pytest.mark.parametrize("levels", ["x", None, [], [0, "x"], 1.5, True])
def test_levels_that_are_none_are_refused_in_one_sentence(levels: Any) -> None:
    with pytest.raises(ConfigError, match="takes whole numbers as levels") as caught:
        build_settings(ListingSettings, {"category": {"folder": levels}})
    assert "folder.folder" not in str(caught.value)


LAYOUTS = {
    "magnetic_tile": ({"folder": 0}, r"\.jpg$", lambda path: path.split("/")[0] if "/" in path else ""),
    "magnetic_tile by a pattern": (
        r"/MT_(?P<category>[^/]+)/",
        r"\.jpg$",
        lambda path: path.split("/")[0][3:] if "/" in path else "",
    ),
    "cifar_folders": ({"folder": -1}, None, lambda path: path.split("/")[-2]),
    "neu_det": (r"/(?P<category>[a-z_-]+)_\d+\.jpg$", None, lambda path: path.split("/")[-1].rpartition("_")[0]),
    "kolektorsdd": ({"folder": -1}, r"\.jpg$", lambda path: path.split("/")[-2]),
    "deeppcb": (r"_(?P<category>temp|test)\.jpg$", None, lambda path: path[-8:-4]),
    "bccd": ({"folder": -1}, None, lambda path: ["__root__", *path.split("/")][-2]),
    "elpv": ({"folder": -1}, None, lambda path: path.split("/")[-2]),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_public_layouts_have_their_classes(name: str, tmp_path: Path, shared: Path) -> None:
    layout = shared / "layouts" / f"{name.split()[0]}.tsv.gz"
    paths = [line.split("\t")[0] for line in gzip.decompress(layout.read_bytes()).decode().splitlines()]
    for path in paths:
        (tmp_path / "set" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "set" / path).write_bytes(path.encode())
    rule, wanted, own = LAYOUTS[name]
    listing = {"category": rule} | ({"sample_filter": wanted} if wanted else {})
    config = config_of({"bucket": "set"}, base=tmp_path, listing=listing)
    found = ListingFindings()
    table = list_datasets(config.datasets, config.listing, Sources.from_config(config), on_found=found.add_findings)
    pattern = wanted or r"\.(bmp|jpe?g|png)$"
    images = [path for path in paths if re.search(pattern, path)]
    assert Counter("".join(names) for names in table["category"].to_pylist()) == Counter(map(own, images))
    if name.startswith("magnetic_tile"):
        assert len(found.names.categories) == 6
    others = Counter(Path(path).suffix or "no ending" for path in paths if not re.search(pattern, path))
    assert found.unlisted == {(ending, "filter"): files for ending, files in others.items()}


def facts(keys: list[str], **settings: Any) -> dict[str, Any]:
    chosen = ListingSettings(**settings)
    names = ClassNameCounts()
    names.add_counts(count_class_names(pa.array(keys, TEXT), ClassRules(chosen)))
    return ListingFindings(names).build_summary(chosen)


def test_names_that_match_nothing_are_told_with_what_is_nearest() -> None:
    keys = ["train/good/1.png", "train/good/2.png", "train/bad/1.png"]
    mapping = {"Good": ["ok"], "bad": ["nok"], "train": ["all"], "zzz": ["z"]}
    told = facts(keys, class_mapping=mapping, classes=["nok", "al", "q"])["names"]
    assert [(row["name"], row["images"], row["closest"]) for row in told] == [
        ("Good", 0, "closest: good"),
        ("bad", 1, ""),
        ("train", 2, ""),
        ("zzz", 0, "there are train, good, bad"),
        ("nok", 1, ""),
        ("al", 0, "closest: all"),
        ("q", 0, "there are all, nok"),
    ]
    hidden = facts(keys, class_mapping={"train": ["a"], "good": ["b"], "bad": ["c"]})["names"]
    assert [row["closest"] for row in hidden if not row["images"]] == [
        "'train' is there, but each of its images lies in a nearer folder that has a key too"
    ]


def test_of_names_that_differ_in_case_the_nearest_comes_first() -> None:
    keys = ["GOOD/1.png", "GOOD/2.png", "good/1.png", "bad/1.png"]
    told = facts(keys, class_mapping={"goodd": ["a"], "GOODD": ["b"], "bad": ["c"]})["names"]
    assert [row["closest"] for row in told] == ["closest: good, GOOD", "closest: GOOD, good", ""]


def test_twins_are_told_by_both_names() -> None:
    told = facts([f"{E_ACUTE}/1.png", f"{E_THEN_ACUTE}/2.png", "OK/1.png", "ok/1.png", "ok/2.png", "b/1.png"])["twins"]
    assert [(row["name"], row["images"], row["twin"], row["images of the twin"]) for row in told] == [
        (E_THEN_ACUTE, 1, E_ACUTE, 1),
        ("OK", 1, "ok", 2),
    ]
    assert facts(["OK/1.png", "ok/1.png"], class_mapping={"OK": ["ok"]})["twins"] == []
    spelled = facts([f"{E_ACUTE}/1.png", f"{E_THEN_ACUTE}/2.png"], category="/(?P<category>[^/]+)/")["twins"]
    assert [(row["name"], row["twin"]) for row in spelled] == [(E_THEN_ACUTE, E_ACUTE)]


def test_names_of_which_a_key_renames_one_are_told_as_twins() -> None:
    (told,) = facts(["good/1.png", "good/2.png", "Good/3.png", "bad/4.png"], class_mapping={"good": ["ok"]})["twins"]
    assert (told["name"], told["images"], told["twin"], told["images of the twin"]) == ("Good", 1, "good", 2)
    assert "has no key 'Good' and makes ok of 'good'" in told["what"]
    # Of one class, or of classes that are twins themselves and told as such.
    assert facts(["good/1.png", "Good/3.png"], class_mapping={"good": ["ok"], "Good": ["ok"]})["twins"] == []
    both = facts(["good/1.png", "Good/3.png"], class_mapping={"good": ["ok"], "Good": ["OK"]})["twins"]
    assert [(row["name"], row["twin"]) for row in both] == [("OK", "ok")]


def test_no_match_at_all_is_an_error_that_says_what_there_is(tmp_path: Path) -> None:
    for path in ("good/1.png", "bad/1.png"):
        (tmp_path / "set" / path).parent.mkdir(parents=True)
        (tmp_path / "set" / path).write_bytes(b"x")

    def refused(**listing: Any) -> str:
        config = config_of({"bucket": "set"}, base=tmp_path, listing=listing)
        with pytest.raises(ListingError) as caught:
            list_datasets(config.datasets, config.listing, Sources.from_config(config))
        return str(caught.value)

    assert "none of its 1 key(s)" in (said := refused(class_mapping={"goood": ["x"]}))
    assert "closest: good" in said
    assert "its images have the classes bad, good" in refused(classes=["none"])
    assert "lies in a folder of level -2, for example bad/1.png" in refused(category={"folder": -2})
    assert "matches none of its 2 images" in refused(category="/(?P<category>nothing)/")


def test_labels_that_say_little_are_told_and_can_be_meant() -> None:
    def odd(counts: dict[str, int], **settings: Any) -> list[str]:
        rows = find_odd_classes(counts, sum(counts.values()), ListingSettings(**settings))
        assert all(row["images"] == counts[row["class"]] and row["what to do"] for row in rows)
        return [row["class"] for row in rows]

    assert odd({"good": 3, "bad": 1, "01": 2}) == []
    assert odd({"Imgs": 3, "__root__": 2, "scratch": 2}) == ["Imgs", "__root__"]
    assert odd({"Imgs": 3, "scratch": 2}, class_mapping={"x": ["Imgs"]}) == []
    assert odd({"good": 9}) == ["good"]
    assert odd({"good": 9}, classes=["good"]) == []
    assert odd({"good": 9}, classes=["good", "slip"]) == ["good"]
    assert odd({f"{n}": 1 for n in range(10)}) == ["0"]
    assert odd({f"{n}": 2 for n in range(10)}) == []
