"""Label ids: equal for equal labels however they are ordered, other for any that differ, and pinned."""

import struct
from hashlib import blake2b

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brev_pipeline.errors import LabelError
from brev_pipeline.labels.identity import EMPTY_MASK, build_label_ids
from brev_pipeline.labels.listed import BOX, POLYGON, ListedObject, build_objects
from brev_pipeline.texts import NAMES, TEXT

A = ListedObject("a", BOX, (1, 2, 3, 4))
B = ListedObject("b", POLYGON, (1, 2, 3, 4, 5, 7))


def ids(*rows: list[ListedObject] | None) -> list[str | None]:
    return build_label_ids(pa.table({"objects": build_objects(rows)})).to_pylist()


def test_the_order_of_objects_is_no_difference_and_everything_else_is() -> None:
    different = [
        [A, B],
        [A],
        [A, A, B],
        [],
        [B],
        [ListedObject("c", BOX, (1, 2, 3, 4))],
        [ListedObject("a", BOX, (1, 2, 3, 4), relative=True)],
        [ListedObject("a", BOX, (1, 2, 3, 4.5))],
        [ListedObject("a", POLYGON, (1, 2, 3, 4))],
        [ListedObject("a", POLYGON, (1, 2, 3, 4, 0, 0))],
    ]
    found = ids(*different)
    assert len({*found}) == len(different)
    assert ids([B, A], [B, A, A]) == [found[0], found[2]]


def test_a_photo_of_which_nothing_is_said_has_none_and_one_with_nothing_on_it_has() -> None:
    nothing, empty = ids(None, [])
    assert nothing is None
    assert empty is not None


def test_ids_are_pinned() -> None:
    """A change of these makes every version with labels another one."""
    table = pa.table(
        {
            "key": ["1.jpg"],
            "objects": build_objects([[A, B]]),
            "n": pa.array([0.5], pa.float64()),
            "s": pa.array(["x"], TEXT),
        }
    )
    assert build_label_ids(table, pa.array(["900150983cd24fb0d6963f7d28e17f72"], TEXT)).to_pylist() == [
        "3db3a3c09a6b0ef0b309b3bba3dae21a"
    ]


def named(name: str, data: bytes) -> bytes:
    return blake2b(struct.pack("<I", len(name)) + name.encode() + data, digest_size=16).digest()


def test_an_id_is_the_hash_that_is_described() -> None:
    """The same by hand: digests of the shapes, sorted as two numbers, then of the fields in their names' order."""
    shapes = [
        blake2b(
            named("label", shape.label.encode())
            + bytes([shape.kind == BOX, shape.relative])
            + struct.pack(f"<{len(shape.points)}d", *shape.points),
            digest_size=16,
            person=b"shape",
        ).digest()
        for shape in (A, B)
    ]
    objects = blake2b(
        b"".join(sorted(shapes, key=lambda digest: struct.unpack("<2Q", digest))), digest_size=16, person=b"objects"
    ).digest()
    fields = [named("mask", b"abc"), named("number n", struct.pack("<d", 0.5)), objects, named("text s", b"x")]
    table = pa.table({"objects": build_objects([[A, B]]), "n": [0.5], "s": ["x"]})
    expected = blake2b(b"".join(fields), digest_size=16, person=b"photo").hexdigest()
    assert build_label_ids(table, pa.array(["abc"], TEXT)).to_pylist() == [expected]


def test_what_is_missing_and_what_says_where_a_photo_goes_adds_nothing() -> None:
    objects = build_objects([[A], [B], None])
    plain = build_label_ids(pa.table({"objects": objects})).to_pylist()
    more = pa.table(
        {
            "key": ["1", "2", "3"],
            "objects": objects,
            "category": pa.array([["x"], ["y"], None], NAMES),
            "purpose": ["train", "test", None],
            "item": ["7", "8", None],
            "n": pa.array([None, 1.5, None], pa.float64()),
            "s": pa.array([None, None, None], TEXT),
        }
    )
    found = build_label_ids(more, pa.nulls(3, TEXT)).to_pylist()
    assert found[0] == plain[0]
    assert found[1] != plain[1]
    assert found[2] is None


def test_masks_count_by_their_content_and_columns_by_their_names() -> None:
    def one(**columns: list[object]) -> str | None:
        masks = columns.pop("masks", [None])
        return build_label_ids(pa.table({"key": ["1"], **columns}), pa.array(masks, TEXT)).to_pylist()[0]

    found = [
        one(masks=["a"]),
        one(masks=["b"]),
        one(masks=[EMPTY_MASK]),
        one(n=[1.0]),
        one(n=[-1.0]),
        one(m=[1.0]),
        one(n=["1.0"]),
        one(m=["1.0"]),
        one(n=[1.0], m=[1.0]),
        one(mask_=["a"]),
    ]
    assert None not in found
    assert len({*found}) == len(found)
    assert one(n=[0.0]) == one(n=[-0.0])
    assert one(n=["e\u0301"]) != one(n=["\u00e9"])


def test_masks_without_their_contents_are_refused() -> None:
    with pytest.raises(LabelError, match="need the masks' content ids"):
        build_label_ids(pa.table({"mask": [{"path": "a"}]}))


SHAPES = st.builds(
    ListedObject,
    st.sampled_from(["a", "b", ""]),
    st.just(BOX),
    st.tuples(*[st.integers(-2, 2).map(float)] * 4),
    st.booleans(),
)


@given(st.lists(st.none() | st.lists(SHAPES, max_size=4), min_size=1, max_size=6), st.randoms())
def test_two_photos_have_one_id_exactly_if_their_objects_are_the_same(rows, random) -> None:  # type: ignore[no-untyped-def]
    shuffled = [row if row is None else random.sample(row, len(row)) for row in rows]
    found = ids(*rows)
    assert ids(*shuffled) == found
    plain = [row if row is None else sorted(map(repr, row)) for row in rows]
    for a, one in zip(found, plain, strict=True):
        for b, other in zip(found, plain, strict=True):
            assert (a == b) == (one == other)
