"""A given split: kept as it is by every way to give it; the rest is divided by the shares; words are never guessed."""

import re
from collections import Counter
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given as drawn
from hypothesis import settings as effort
from hypothesis import strategies as st

from brev_pipeline.cli.audit import verify_versions
from brev_pipeline.config import SplitSettings
from brev_pipeline.errors import SplitError
from brev_pipeline.split import PriorAssignments, assign_purposes, build_split_report
from brev_pipeline.split.given import find_given_purposes
from brev_pipeline.split.given_names import count_given_matches, read_given_file
from brev_pipeline_tests.pipelines import SETTINGS, configure, draw_photos, run

UNIQUE = r"/(i\d+)_\d+\.png$"


def listing(paths: list[str], bucket: str = "b") -> pa.Table:
    text = pa.large_string()
    whole = [f"{bucket}/{path}" for path in paths]
    columns: dict[str, Any] = {"path": pa.array(whole, text)}
    columns["category"] = pa.array([[path.split("/")[-2] if "/" in path else "root"] for path in paths], pa.list_(text))
    columns["folder"] = pa.array([path.rpartition("/")[0].rpartition("/")[2] for path in paths], text)
    for name in ("etag", "content_id", "pixel_id"):
        columns[name] = pa.array([f"{name} {path}" for path in paths], text)
    columns |= {
        name: pa.array([bucket] * len(paths), text) for name in ("bucket", "dataset", "dataset_id", "reference")
    }
    return pa.table(columns)


def configured(given: dict[str, Any], **others: Any) -> SplitSettings:
    return SplitSettings.model_validate({"uniqueness": UNIQUE, "given": given, **others})


def sides(split: pa.Table) -> dict[str, str]:
    return dict(zip(split["path"].to_pylist(), split["purpose"].to_pylist(), strict=True))


PHOTOS = [
    f"{word}/{kind}/i{ten}{number}{place}_0.png"
    for place, word in enumerate(("training", "val", "other"))
    for kind, ten in (("ok", ""), ("bad", "9"))
    for number in range(1, 11)
]
WORDS = {"training": "train", "val": "devel", "other": None}


@pytest.mark.parametrize(
    "way",
    [{"folder": 0}, {"folder": -2}, {"pattern": r"^/(?P<purpose>[^/]+)/"}],
    ids=["from root", "from leaf", "pattern"],
)
def test_paths_give_purposes_and_the_rest_is_divided(way: dict[str, Any]) -> None:
    settings = configured({**way, "words": WORDS}, purposes={"train": 0.5})
    found = assign_purposes(listing(PHOTOS), settings)
    for path, purpose in sides(found).items():
        if (word := path.split("/")[1]) != "other":
            assert purpose == WORDS[word]
    rest = Counter(purpose for path, purpose in sides(found).items() if "/other/" in path)
    assert rest == {"train": 10, "devel": 10}
    assert set(found["assigned_by"].to_pylist()) == {"given", "new"}
    report = build_split_report(found, settings)
    assert report.given.to_pylist() == [{"purpose": "train", "images": 20}, {"purpose": "devel", "images": 20}]
    assert sum(report.shares["images"].to_pylist()) == 20
    assert not report.failure_messages


@pytest.mark.parametrize(
    "names",
    [
        "training/ok/i10_0.png\r\nval/bad/i921_0.png\r\n",
        "b/training/ok/i10_0.png\nb/val/bad/i921_0.png",
        "ok/i10_0.png\n\nbad/i921_0",
        "training/ok/i10_0\nval/bad/i921_0",
    ],
    ids=["within", "whole", "ends", "bare"],
)
def test_lists_name_images_by_paths_and_their_ends(names: str) -> None:
    settings = configured({"lists": {"test": "t.txt"}}, purposes={"test": 0, "train": 0.5})
    files = {"lists.test": read_given_file(b"\xef\xbb\xbf" + names.encode(), "t.txt", "lists.test")}
    found = sides(assign_purposes(listing(PHOTOS), settings, PriorAssignments(given=files)))
    assert {path for path, purpose in found.items() if purpose == "test"} == {
        "b/training/ok/i10_0.png",
        "b/val/bad/i921_0.png",
    }


def test_a_name_of_two_items_is_refused_and_of_none_told() -> None:
    paths = ["a/i1_0.png", "b/i1_0.png", "c/i2_0.png"]
    settings = configured({"lists": {"train": "t.txt"}}, uniqueness=r"b/(.*)_")
    files = {"lists.train": read_given_file(b"i1_0.png", "t.txt", "lists.train")}
    with pytest.raises(SplitError, match=r"'i1_0\.png' means b/a/i1_0\.png and b/b/i1_0\.png"):
        assign_purposes(listing(paths), settings, PriorAssignments(given=files))
    files = {"lists.train": read_given_file(b"i2_0\nI1_0.PNG\nb/i1-0.png", "t.txt", "lists.train")}
    (matched,) = count_given_matches(listing(paths), settings, files)
    assert (matched.key, matched.names, matched.matched_count) == ("lists.train", 3, 1)
    assert matched.unmatched.to_pylist() == [
        {"key": "I1_0.PNG", "closest": "i1_0.png"},
        {"key": "b/i1-0.png", "closest": "b/i1_0.png"},
    ]
    assert matched.unmatched_text == (
        "split.given.lists.train: 2 of 3 names mean no listed image: 'I1_0.PNG' (the closest is 'i1_0.png'), "
        "'b/i1-0.png' (the closest is 'b/i1_0.png')"
    )
    files = {"lists.train": read_given_file(b"nobody.png", "t.txt", "lists.train")}
    with pytest.raises(SplitError, match=r"none of its 1 names means an image: 'nobody\.png'"):
        find_given_purposes(listing(paths), settings, files)


@pytest.mark.parametrize("key", ["path", "etag", "item"])
def test_tables_name_images_by_a_column(key: str) -> None:
    value = {"path": "val/ok/i11_0.png", "etag": '"etag val/ok/i11_0.png"', "item": "i11"}[key]
    data = f"{key};type;split\r\n{value};mono;held\r\n".replace('"', '"""') if key != "etag" else None
    data = data or f"etag;type;split\r\n{value};mono;held\r\n"
    given = {"table": "t.csv", "column": "split", "words": {"held": "test"}}
    settings = configured(given, purposes={"test": 0, "train": 0.5})
    files = {"table": read_given_file(b"\xef\xbb\xbf" + data.encode(), "t.csv", "table")}
    found = sides(assign_purposes(listing(PHOTOS), settings, PriorAssignments(given=files)))
    assert [path for path, purpose in found.items() if purpose == "test"] == ["b/val/ok/i11_0.png"]
    with pytest.raises(SplitError, match=re.escape("'held' (1)")):
        assign_purposes(listing(PHOTOS), configured(given | {"words": {}}), PriorAssignments(given=files))


@pytest.mark.parametrize(
    "way",
    [{"folder": 0}, {"pattern": r"^/(?P<purpose>[^/]+)/"}, {"table": "t.csv"}, {"lists": {"training": "t.txt"}}],
    ids=lambda way: next(iter(way)),
)
def test_keys_of_words_that_nothing_has_are_told_with_the_closest(way: dict[str, Any]) -> None:
    words = WORDS if "lists" not in way else {"training": "train"}
    extra = {} if "lists" in way else {"Val": "devel", "holdout": None}
    table = "path,purpose\ntraining/ok/i10_0.png,training\nval/ok/i11_0.png,val\nother/ok/i12_0.png,other\n"
    files = {
        "table": read_given_file(table.encode(), "t.csv", "table"),
        "lists.training": read_given_file(b"training/ok/i10_0.png", "t.txt", "lists.training"),
    }
    *_, matched = count_given_matches(listing(PHOTOS), configured({**way, "words": {**extra, **words}}), files)
    assert (matched.key, matched.names, matched.matched_count) == ("words", len(words) + len(extra), len(words))
    assert [row["key"] for row in matched.unmatched.to_pylist()] == list(extra)
    if extra:
        assert matched.unmatched.to_pylist()[0] == {"key": "Val", "closest": "val"}
        assert (
            "split.given.words: 2 of 5 keys are no word that is found: 'Val' (the closest is" in matched.unmatched_text
        )


def test_what_a_table_names_by_item_is_counted_of_all_that_is_listed() -> None:
    settings = configured({"table": "t.csv"}, unmatched="own_item")
    files = {"table": read_given_file(b"item,purpose\ni10,train\nI11,train\n", "t.csv", "table")}
    (matched,) = count_given_matches(listing(PHOTOS).drop_columns(["pixel_id"]), settings, files)
    assert (matched.names, matched.matched_count) == (2, 1)
    assert matched.unmatched.to_pylist() == [{"key": "I11", "closest": "i11"}]
    assert count_given_matches(listing(PHOTOS), configured({"folder": 0}), None) == []


def test_unknown_words_and_levels_that_no_path_has_are_refused_by_the_listing_alone() -> None:
    early = listing(PHOTOS).select(["path", "bucket", "etag"])
    with pytest.raises(
        SplitError, match=r"'other' \(20\), 'training' \(20\), 'val' \(20\).*training: train, val: devel"
    ):
        find_given_purposes(early, configured({"folder": 0}))
    with pytest.raises(SplitError, match="finds a word in none of the 60 paths"):
        find_given_purposes(early, configured({"folder": 5}))


def test_the_ledger_stays_and_what_is_given_otherwise_shows() -> None:
    plain = SplitSettings.model_validate({"uniqueness": UNIQUE})
    before = assign_purposes(listing(PHOTOS), plain)
    settings = configured({"folder": 0, "words": WORDS})
    after = assign_purposes(listing(PHOTOS), settings, PriorAssignments(ledger=before))
    assert sides(after) == sides(before)
    report = build_split_report(after, settings, PriorAssignments(ledger=before))
    moved = report.overruled["path"].to_pylist()
    assert not report.moved.num_rows
    assert set(report.overruled["because"].to_pylist()) == {"the ledger: an earlier version has it so"}
    wanted = [path for path, side in sides(before).items() if WORDS[path.split("/")[1]] not in (None, side)]
    assert moved == sorted(wanted)


@effort(max_examples=60, deadline=None)
@drawn(
    st.lists(
        st.tuples(st.sampled_from(["train", "test", "rest"]), st.integers(0, 40), st.integers(0, 3)),
        min_size=30,
        max_size=120,
        unique=True,
    ),
    st.sampled_from(["ranked_hash", "sorted_permutation", "murmurhash3"]),
    st.sampled_from([None, 3]),
    st.randoms(use_true_random=False),
)
def test_given_sides_are_kept_the_rest_has_its_shares_and_nothing_leaks(
    rows: list[tuple[str, int, int]], method: str, folds: int | None, random: Any
) -> None:
    """Each item has one word; its photos are one leak group."""
    word = {item: word for word, item, _ in rows}
    word[min(word)] = "test"
    paths = [f"{word[item]}/i{item}_{photo}.png" for _, item, photo in rows]
    paths = sorted(set(paths))
    purposes = {"test": 0.2} if folds else {"train": 0.6, "test": 0.2}
    words = {"rest": None, "train": None if folds else "train"}
    others = {"purposes": purposes, "method": method} | ({"folds": folds} if folds else {})
    settings = configured({"folder": 0, "words": words}, **others)
    table = listing(paths)
    if len(set(word)) < 2:
        return
    found = sides(assign_purposes(table, settings))
    order = list(range(len(table)))
    random.shuffle(order)
    assert sides(assign_purposes(table.take(pa.array(order)), settings)) == found
    group: dict[str, set[str]] = {}
    rest: Counter[str] = Counter()
    size: Counter[str] = Counter()
    for path, purpose in found.items():
        named = words.get(told := path.split("/")[1], told)
        item = path.split("/")[2].split("_")[0]
        group.setdefault(item, set()).add(purpose)
        if named is not None:
            assert purpose == named
        else:
            rest[purpose] += 1
            size[item] += 1
    assert {len(one) for one in group.values()} == {1}
    if method == "ranked_hash":
        for name, share in settings.shares.items():
            assert abs(rest[name] - share * rest.total()) <= max(size.values(), default=0) + 1e-9


def test_rare_strata_do_not_all_lie_in_the_same_folds() -> None:
    paths = [f"c{number:03}/i{number}_0.png" for number in range(300)]
    settings = SplitSettings.model_validate({"uniqueness": UNIQUE, "stratification": ["folder"], "folds": 5})
    counts = Counter(assign_purposes(listing(paths), settings)["purpose"].to_pylist())
    assert set(counts) == set(settings.fold_names)
    assert max(counts.values()) < 90  # 60 each, and six standard deviations
    wanted = np.array([counts[name] for name in settings.fold_names])
    assert wanted.sum() == 300


@pytest.mark.slow
def test_verify_names_the_lists_that_are_others_now_and_knows_swapped_ones(tmp_path: Path) -> None:
    draw_photos(tmp_path / "photos", {"good": 8, "bad": 6})
    (tmp_path / "held.txt").write_text(
        "good/0_0.png\n" + str(tmp_path / "photos/good/3_1.png") + "\nphotos/bad/2_0.png\n"
    )
    (tmp_path / "seen.txt").write_text("good/1_0.png\n")
    config = configure(tmp_path, SETTINGS)
    given = {"lists": {"test": "held.txt", "train": "seen.txt"}}
    split = config.split.model_dump() | {"given": given, "purposes": {"train": 0.6, "test": 0.0}}
    config = configure(tmp_path, SETTINGS, split=split)
    done = run(config)
    assert done.success, done.failures
    version = done.store.newest_version()[1]  # type: ignore[index]
    table = version.read_table("assignments")
    assert {path for path, side in sides(table).items() if side == "test"} == {
        f"photos/{name}_{photo}.png" for name in ("good/0", "good/3", "bad/2") for photo in (0, 1)
    }
    held, seen = (sha256((tmp_path / name).read_bytes()).hexdigest() for name in ("held.txt", "seen.txt"))
    assert version.read_manifest()["given_sha256"] == {"lists.test": held, "lists.train": seen}

    def verified() -> tuple[list[str], list[str]]:
        found, _ = verify_versions(config, None)
        assert not found.versions[0].problems
        return found.versions[0].notes, found.versions[0].unchecked

    assert verified() == ([], [])
    swap = [(tmp_path / name).read_bytes() for name in ("seen.txt", "held.txt")]
    for name, data in zip(("held.txt", "seen.txt"), swap, strict=True):
        (tmp_path / name).write_bytes(data)
    assert verified() == (
        [
            f"split.given.lists.{one}: the version was made with a file of SHA-256 {then}, and now it has {now}; "
            f"what it held then is the file of split.given.lists.{other} now"
            for one, other, now, then in (("test", "train", seen, held), ("train", "test", held, seen))
        ],
        [],  # what both lists held is at hand
    )
    (tmp_path / "seen.txt").write_bytes(b"good/1_0.png\n")
    (tmp_path / "held.txt").write_bytes(b"good/0_0.png\n")
    (note,), (unchecked,) = verified()
    now = sha256(b"good/0_0.png\n").hexdigest()
    assert note == f"split.given.lists.test: the version was made with a file of SHA-256 {held}, and now it has {now}"
    assert f"the file of a given split (split.given.lists.test, SHA-256 {held}), which is not at hand" in unchecked


def test_what_is_given_for_a_dropped_copy_holds_of_its_content() -> None:
    table = listing(["a/i1_0.png", "a/i2_0.png", "a/i3_0.png", "z/i9_0.png", "z/i8_0.png"])
    ids = table["content_id"].to_pylist()
    ids[3] = ids[0]
    listed = table.set_column(table.column_names.index("content_id"), "content_id", pa.array(ids, pa.large_string()))
    samples = listed.take(pa.array([0, 1, 2, 4]))
    files = {"lists.test": read_given_file(b"z/i9_0.png\n", "held.txt", "lists.test")}
    settings = configured({"lists": {"test": "held.txt"}}, purposes={"train": 1.0, "test": 0.0})
    split = assign_purposes(samples, settings, PriorAssignments(given=files, listed=listed))
    assert [path for path, side in sides(split).items() if side == "test"] == ["b/a/i1_0.png"]
    known = pa.table({"path": ["b/z/i9_0.png"], "purpose": ["test"]})
    plain = SplitSettings.model_validate({"uniqueness": UNIQUE, "purposes": {"train": 1.0, "test": 0.0}})
    split = assign_purposes(samples, plain, PriorAssignments(known=known, listed=listed))
    assert [path for path, side in sides(split).items() if side == "test"] == ["b/a/i1_0.png"]
    # Said otherwise of the image itself: the stricter side holds, and that it does shows.
    files["lists.train"] = read_given_file(b"a/i1_0.png\n", "seen.txt", "lists.train")
    settings = configured({"lists": {"test": "held.txt", "train": "seen.txt"}}, purposes={"train": 1.0, "test": 0.0})
    split = assign_purposes(samples, settings, PriorAssignments(given=files, listed=listed))
    assert sides(split)["b/a/i1_0.png"] == "test"
    (row,) = build_split_report(split, settings, PriorAssignments(given=files, listed=listed)).overruled.to_pylist()
    assert (row["path"], row["given"], row["stands_in"]) == ("b/a/i1_0.png", "train", "test")
    assert row["because"] == "b/z/i9_0.png: of one item, or a copy"


@pytest.mark.parametrize("way", ["ledger_csv", pytest.param("given", marks=pytest.mark.slow)])
def test_verify_follows_what_is_given_for_a_dropped_copy(tmp_path: Path, way: str) -> None:
    draw_photos(tmp_path / "photos", {"good": 8, "bad": 6})
    (tmp_path / "photos/good/99_9.png").write_bytes((tmp_path / "photos/good/0_0.png").read_bytes())
    (tmp_path / "held.csv").write_text("path,purpose\nphotos/good/99_9.png,test\n")
    said = {"given": {"table": "held.csv"}} if way == "given" else {"ledger_csv": "held.csv"}
    config = configure(tmp_path, SETTINGS)
    integrity = config.integrity.model_dump() | {"duplicates": "keep_first"}
    split = config.split.model_dump() | said | {"purposes": {"train": 0.9, "test": 0.0}}
    config = configure(tmp_path, SETTINGS, split=split, integrity=integrity)
    done = run(config)
    assert done.success, done.failures
    version = done.store.newest_version()[1]  # type: ignore[index]
    found = {path for path, side in sides(version.read_table("assignments")).items() if side == "test"}
    assert found == {"photos/good/0_0.png", "photos/good/0_1.png"}
    audit, _ = verify_versions(config, None, deep=None)
    assert not audit.versions[0].problems
    assert not audit.versions[0].unchecked


@pytest.mark.slow
def test_metadata_check_and_report_count_the_same_names_and_words(tmp_path: Path) -> None:
    draw_photos(tmp_path / "photos", {"good": 8, "bad": 6})
    (tmp_path / "photos/good/99_9.png").write_bytes((tmp_path / "photos/good/0_0.png").read_bytes())
    (tmp_path / "photos/bad/5_1.png").write_bytes(b"no image")
    names = ["good/0_0", "good/99_9", "bad/5_1", "bad/5_2"]  # there, a dropped copy, in quarantine, nowhere
    (tmp_path / "held.csv").write_text("path,purpose\n" + "".join(f"{name}.png,held\n" for name in names))
    given = {"table": "held.csv", "words": {"held": "test", "hold": "test"}}
    config = configure(tmp_path, SETTINGS)
    done = run(
        configure(
            tmp_path,
            SETTINGS,
            split=config.split.model_dump() | {"given": given},
            integrity={"duplicates": "keep_first"},
            validation={"prepared_images": {"max_quarantined": 0.5}},
        )
    )
    assert done.success, done.failures
    stages = done.result.get_asset_materialization_events()
    made = next(one.materialization for one in stages if one.asset_key.path[-1] == "sample_split")
    told = {name: one.value for name, one in made.metadata.items() if name.startswith("given")}
    assert (told["given: matched of table"], told["given: matched of words"]) == ("3 of 4", "1 of 2")
    assert told["given unmatched"] == 2
    assert "| bad/5_2.png | bad/5_1.png |" in told["given: unmatched of table"]
    assert "| hold | held |" in told["given: unmatched of words"]
    (check,) = [one for one in done.checks if one.check_name == "given_matched"]
    assert not check.passed
    assert "found 2. " in check.description
    _, version = done.store.newest_version() or pytest.fail("nothing was published")
    page = version.folder.read("report/index.html").decode()
    assert "bad/5_2.png" in page
    assert "split.given.words" in page
