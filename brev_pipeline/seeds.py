"""Seeds: the only place where randomness enters the house.

Every random choice (a place in a split, a place in a shard, the pixels of an augmentation) hangs on a keyed
hash of *what* is drawn, never on when, where or beside whom. BLAKE2b is a keyed hash by design (RFC 7693), is
in the standard library, and gives the same 64 bits on every machine. A change of anything in this module
changes every shard ever made: it is a major version.
"""

import hashlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pyarrow as pa

_AT_ONCE: Final = 1 << 14  # texts of a column that Python sees at a time
# Parts are joined with a byte that no UTF-8 text contains, so ("ab", "c") and ("a", "bc") differ.
_SEPARATOR: Final = b"\xff"


def seed64(seed: int, *parts: str | int) -> int:
    """Hash ``parts`` under the key ``seed``.

    Args:
        seed: the configured seed, 0 ≤ seed < 2**63.
        parts: what the draw is for, for example ``("train", 0, content_id, 2)``.

    Returns:
        An integer in [0, 2**64): the same for the same arguments, everywhere and for good.
    """
    message = _SEPARATOR.join(str(part).encode() for part in parts)
    return int.from_bytes(hashlib.blake2b(message, digest_size=8, key=_key(seed)).digest(), "big")


def seeds64(
    seed: int, prefix: tuple[str | int, ...], items: Iterable[str], ordinals: Iterable[int] | None = None
) -> list[int]:
    """``seed64(seed, *prefix, item)`` for every item, without hashing key and prefix anew each time.

    With ``ordinals`` (one per item): ``seed64(seed, *prefix, item, ordinal)``.
    """
    messages = [item.encode() for item in items]
    if ordinals is not None:
        messages = [b"%b\xff%d" % pair for pair in zip(messages, ordinals, strict=True)]
    return np.frombuffer(_digest_messages(_hash_prefix(seed, prefix), messages), ">u8").tolist()  # type: ignore[no-any-return]


def hash_column(
    seed: int, prefix: tuple[str | int, ...], column: "pa.ChunkedArray", ordinals: npt.NDArray[np.int32] | None = None
) -> npt.NDArray[np.uint64]:
    """`seeds64(seed, prefix, column, ordinals)` of a column of texts without nulls, number for number, as an array.

    Texts become bytes, and get their ordinal, in Arrow: at 10⁸ rows lists of them would take 20 GB, and twice as long.
    """
    # Who needs a few seeds does not wait for Arrow.
    import pyarrow as pa
    import pyarrow.compute as pc

    from brev_pipeline.texts import TEXT

    state = _hash_prefix(seed, prefix)
    hashes = np.empty(len(column), np.uint64)
    for start in range(0, len(column), _AT_ONCE):
        texts = column.slice(start, _AT_ONCE).cast(pa.binary()).combine_chunks()
        if ordinals is not None:
            tails = pa.array(ordinals[start : start + _AT_ONCE]).cast(TEXT).cast(pa.binary())
            texts = pc.binary_join_element_wise(texts, tails, pa.scalar(_SEPARATOR))
        hashes[start : start + len(texts)] = np.frombuffer(_digest_messages(state, texts.to_pylist()), ">u8")
    return hashes


def _hash_prefix(seed: int, prefix: tuple[str | int, ...]) -> "hashlib.blake2b":
    """The hash after key and prefix; a copy that is given one more text holds `seed64(seed, *prefix, text)`."""
    state = hashlib.blake2b(digest_size=8, key=_key(seed))
    for part in prefix:
        state.update(str(part).encode() + _SEPARATOR)
    return state


def _digest_messages(prefix: "hashlib.blake2b", messages: list[bytes]) -> bytes:
    copy, digests = prefix.copy, []
    # Key and prefix are hashed once; a copy goes on from there.
    for message in messages:
        state = copy()
        state.update(message)
        digests.append(state.digest())
    return b"".join(digests)


def _key(seed: int) -> bytes:
    if not 0 <= seed < 2**63:
        raise ValueError(f"a seed must be in [0, 2**63), got {seed}")
    return seed.to_bytes(8, "big")
