import os
from pathlib import Path

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from brev_pipeline.listing import ListingState, listing_fingerprint, listing_state
from brev_pipeline.storage import Sources
from brev_pipeline_tests.buckets import Server, config_of
from brev_pipeline_tests.storage.test_fetch_local import without_root


def state(bucket: str, base: Path | None = None, **storage: object) -> ListingState:
    config = config_of({"bucket": bucket, "storage": storage}, base=base)
    return listing_state(config.datasets, config.listing, Sources.from_config(config))


def test_the_state_of_a_folder_changes_with_its_files_and_only_then(tmp_path: Path) -> None:
    photo = tmp_path / "p/good/a.png"
    photo.parent.mkdir(parents=True)
    photo.write_bytes(b"a")
    (tmp_path / "p/good/b.png").write_bytes(b"b")
    seen = [state("p", tmp_path)]
    assert seen[0].images == 2
    assert state("p", tmp_path).fingerprint == seen[0].fingerprint
    (tmp_path / "p/good/c.png").write_bytes(b"c")
    seen.append(state("p", tmp_path))
    photo.unlink()
    seen.append(state("p", tmp_path))
    os.utime(tmp_path / "p/good/b.png", ns=(0, 10**18))
    seen.append(state("p", tmp_path))
    (tmp_path / "p/good/notes.txt").write_bytes(b"not an image")
    assert state("p", tmp_path).fingerprint == seen[-1].fingerprint
    assert len({one.fingerprint for one in seen}) == len(seen)
    assert [one.images for one in seen] == [2, 3, 2, 2]


def test_no_file_is_read_for_the_state(tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    for name in ("a.png", "b.png"):
        (tmp_path / "p" / name).write_bytes(b"x")
        (tmp_path / "p" / name).chmod(0)
    for folder in (tmp_path, *tmp_path.parents[:3]):
        folder.chmod(0o755)
    # Reading it would block for ever.
    os.mkfifo(tmp_path / "p/pipe.png")
    with without_root():
        assert state("p", tmp_path).listing["etag"].null_count == 2


def test_files_of_one_size_and_time_that_are_swapped_change_the_state(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        (tmp_path / "p").mkdir(exist_ok=True)
        (tmp_path / "p" / name).write_bytes(name.encode())
        os.utime(tmp_path / "p" / name, ns=(0, 10**18))
    before = state("p", tmp_path)
    for one, other in (("a.png", "t"), ("b.png", "a.png"), ("t", "b.png")):
        (tmp_path / "p" / one).rename(tmp_path / "p" / other)
    after = state("p", tmp_path)
    same = ["path", "size", "modified"]
    assert after.listing.select(same).equals(before.listing.select(same))
    assert after.fingerprint != before.fingerprint


def test_the_state_of_a_bucket_goes_by_entity_tags(s3: Server) -> None:
    name = s3.bucket({"good/a.png": b"a"})
    before = state(f"s3://{name}", **s3.storage())
    s3.client.put_object(Bucket=name, Key="good/a.png", Body=b"a")
    assert state(f"s3://{name}", **s3.storage()).fingerprint == before.fingerprint
    s3.client.put_object(Bucket=name, Key="good/a.png", Body=b"b")
    assert state(f"s3://{name}", **s3.storage()).fingerprint != before.fingerprint


ROWS = st.dictionaries(st.text(max_size=5), st.none() | st.text(max_size=5), max_size=10)
SCHEMA = pa.schema([("path", pa.large_string()), ("etag", pa.large_string())])


def table(rows: dict[str, str | None]) -> pa.Table:
    return pa.table({"path": list(rows), "etag": list(rows.values())}, SCHEMA)


def test_the_fingerprint_is_pinned() -> None:
    # Whoever changes this makes every listing look new: one needless run of every pipeline.
    assert listing_fingerprint(table({"a/1.png": "x", "a/2.png": None})) == "efab286ed6fed19743edcaba0833efba"


@given(ROWS, ROWS)
def test_fingerprints_are_equal_only_for_equal_listings(
    one: dict[str, str | None], other: dict[str, str | None]
) -> None:
    assert (listing_fingerprint(table(one)) == listing_fingerprint(table(other))) == (one == other)


@given(ROWS, st.randoms(), st.integers(1, 4))
def test_order_and_chunks_do_not_matter(rows: dict[str, str | None], random: object, size: int) -> None:
    items = list(rows.items())
    random.shuffle(items)  # type: ignore[attr-defined]
    shuffled = table(dict(items))
    chunked = pa.Table.from_batches(shuffled.to_batches(max_chunksize=size), SCHEMA)
    assert listing_fingerprint(chunked) == listing_fingerprint(table(rows))


def test_null_differs_from_empty_and_neighbours_do_not_run_together() -> None:
    prints = [{"a": None}, {"a": ""}, {"ab": "c"}, {"a": "bc"}, {"a": "b", "c": ""}, {"a": "", "c": "b"}]
    assert len({listing_fingerprint(table(rows)) for rows in prints}) == len(prints)
