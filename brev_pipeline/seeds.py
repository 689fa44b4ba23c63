"""Seeds: the only place where randomness enters the house.

Every random choice (a place in a split, a place in a shard, the pixels of an augmentation) hangs on a keyed
hash of *what* is drawn, never on when, where or beside whom. BLAKE2b is a keyed hash by design (RFC 7693), is
in the standard library, and gives the same 64 bits on every machine. A change of anything in this module
changes every shard ever made: it is a major version.
"""

import hashlib
import struct
from collections.abc import Iterable

# Parts are joined with a byte that no UTF-8 text contains, so ("ab", "c") and ("a", "bc") differ.
_SEPARATOR = b"\xff"


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
    start = hash_state(seed, prefix)
    messages = [item.encode() for item in items]
    if ordinals is not None:
        messages = [b"%b\xff%d" % pair for pair in zip(messages, ordinals, strict=True)]
    copy, digests = start.copy, []
    for message in messages:
        state = copy()
        state.update(message)
        digests.append(state.digest())
    return list(struct.unpack(f">{len(digests)}Q", b"".join(digests)))


def hash_state(seed: int, prefix: tuple[str | int, ...]) -> "hashlib.blake2b":
    """The hash after key and prefix; a copy that is given one more text holds `seed64(seed, *prefix, text)`."""
    state = hashlib.blake2b(digest_size=8, key=_key(seed))
    for part in prefix:
        state.update(str(part).encode() + _SEPARATOR)
    return state


def _key(seed: int) -> bytes:
    if not 0 <= seed < 2**63:
        raise ValueError(f"a seed must be in [0, 2**63), got {seed}")
    return seed.to_bytes(8, "big")
