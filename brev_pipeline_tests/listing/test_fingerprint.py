import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from brev_pipeline.listing import listing_fingerprint

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
