"""Which images take part, and the record of those that do not."""

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import strategies as st

from brev_pipeline.errors import SplitError
from brev_pipeline.split import EXCLUSIONS, SELECTED_SAMPLES, select_samples
from brev_pipeline.tables import PREPARED_IMAGES
from brev_pipeline_tests.split.listings import always, listing

Row = tuple[str, int, str, int]  # folder, bytes, status, pixels


def world(rows: list[Row]) -> tuple[pa.Table, pa.Table]:
    """Integrity and prepared tables: the same number of bytes is the same content."""
    samples = listing((folder, number, content, None) for number, (folder, content, _, _) in enumerate(rows))
    ids = samples["content_id"].to_pylist()
    samples = samples.drop_columns("pixel_id")
    paths, folders = samples["path"].to_pylist(), samples["folder"].to_pylist()
    first = {name: min(path for path, own in zip(paths, ids, strict=True) if own == name) for name in ids}
    copies = [None if first[name] == path else first[name] for path, name in zip(paths, ids, strict=True)]
    labels = {name: {folder for folder, own in zip(folders, ids, strict=True) if own == name} for name in ids}
    integrity = samples.append_column("duplicate_of", pa.array(copies, pa.large_string())).append_column(
        "label_conflict", pa.array([len(labels[name]) > 1 for name in ids])
    )
    prepared: dict[str, dict[str, Any]] = {}
    for name, (_, _, status, pixels) in zip(ids, rows, strict=True):
        ok = status == "ok"
        found = {"content_id": name, "status": status, "source_path": first[name]}
        reason = {} if ok else {"reason": "the file ends early"}
        prepared.setdefault(name, found | reason | ({"pixel_id": f"{pixels:032x}"} if ok else {}))
    return integrity, pa.Table.from_pylist(list(prepared.values()), PREPARED_IMAGES)


ROWS = st.lists(
    st.tuples(st.sampled_from("ab"), st.integers(0, 9), st.sampled_from(["ok", "ok", "corrupt"]), st.integers(0, 20)),
    min_size=1,
    max_size=30,
)


@always(
    rows=ROWS, duplicates=st.sampled_from(["keep_all", "keep_first"]), conflicts=st.sampled_from(["keep", "quarantine"])
)
def test_listed_is_usable_and_excluded(rows: list[Row], duplicates: str, conflicts: str) -> None:
    integrity, prepared = world(rows)
    usable, excluded = select_samples(integrity, prepared, duplicates=duplicates, label_conflicts=conflicts)
    assert usable.schema.equals(SELECTED_SAMPLES)
    assert excluded.schema.equals(EXCLUSIONS)
    both = usable["path"].to_pylist() + excluded["path"].to_pylist()
    assert sorted(both) == sorted(integrity["path"].to_pylist())
    if duplicates == "keep_first":
        contents = usable["content_id"].to_pylist()
        assert len(set(contents)) == len(contents)
    if conflicts == "quarantine":
        for column in ("content_id", "pixel_id"):
            pairs = set(zip(usable[column].to_pylist(), usable["folder"].to_pylist(), strict=True))
            assert len({name for name, _ in pairs}) == len(pairs)


def test_each_exclusion_names_rule_partner_and_reason() -> None:
    rows: list[Row] = [
        ("a", 0, "ok", 0),
        ("a", 0, "ok", 0),  # a byte copy
        ("a", 1, "corrupt", 1),
        ("a", 2, "ok", 2),
        ("b", 2, "ok", 2),  # the same bytes in another class
        ("b", 3, "ok", 3),
        ("a", 4, "ok", 3),  # the same pixels in another class
    ]
    _, excluded = select_samples(*world(rows), duplicates="keep_first", label_conflicts="quarantine")
    found = {row["path"][-8:-4]: (row["rule"], row["partner"], row["reason"]) for row in excluded.to_pylist()}
    conflict = "the same bytes or pixels stand under another category"
    assert found == {
        "0001": ("duplicate", "bucket/a/0_0000.bmp", "the same bytes as its partner, which is used"),
        "0002": ("quarantined", None, "corrupt: the file ends early"),
        "0003": ("label_conflict", "bucket/b/4_0004.bmp", conflict),
        "0004": ("label_conflict", "bucket/a/3_0003.bmp", conflict),
        "0005": ("label_conflict", "bucket/a/6_0006.bmp", conflict),
        "0006": ("label_conflict", "bucket/b/5_0005.bmp", conflict),
    }


def test_an_image_that_was_not_prepared_is_quarantined() -> None:
    integrity, prepared = world([("a", 0, "ok", 0), ("a", 1, "ok", 1)])
    usable, excluded = select_samples(integrity, prepared.slice(1), duplicates="keep_all", label_conflicts="fail")
    assert usable.num_rows == 1
    assert excluded.to_pylist()[0]["reason"] == "missing: its content was not prepared"


def test_label_conflicts_can_stop_the_run() -> None:
    integrity, prepared = world([("a", 0, "ok", 0), ("b", 0, "ok", 0)])
    with pytest.raises(
        SplitError, match=r"2 images have the same .* bucket/a/0_0000.bmp and bucket/b/1_0001.bmp\. Corr"
    ):
        select_samples(integrity, prepared, duplicates="keep_all", label_conflicts="fail")
    usable, _ = select_samples(integrity, prepared, duplicates="keep_all", label_conflicts="keep")
    assert usable.num_rows == 2
