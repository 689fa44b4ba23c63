"""The label map derived anew: a version's class names go on from those of the version before.

So no class changed its number, none was lost, and none has one that never had an image. Where the version before is not
at hand, only its own images speak: each of their classes has a number (`tables.class_problems`).
"""

from collections.abc import Iterator

from brev_pipeline.audit.claims import Claims, Contradiction, of_code
from brev_pipeline.split.labels import label_map, present_classes

_SHOWN = 3


def label_contradictions(claims: Claims) -> Iterator[Contradiction]:
    """Classes that changed their number, were lost, or that nothing gives."""
    known, classes = claims.known, list(claims.manifest["classes"])
    earlier = [] if known.is_first else known.classes
    if earlier is None:
        return
    wanted = label_map(present_classes(claims.split), earlier, claims.config.listing.classes)
    if classes != wanted:
        # Older code sorted the classes of each version anew.
        yield from of_code(_apart(classes, wanted, known.parent), "sample_split")


def _apart(classes: list[str], wanted: list[str], parent: str | None) -> Iterator[str]:
    whence = f"version {parent}, the one before, and the images give" if parent else "images and listing.classes give"
    numbers = {name: number for number, name in reversed(list(enumerate(classes)))}
    wrong = [(name, number) for number, name in enumerate(wanted) if numbers.get(name) != number]
    for name, number in wrong[:_SHOWN]:
        found = f"has the label {numbers[name]}" if name in numbers else "has no label"
        yield f"manifest.json: classes: {name!r} {found}, {whence} it {number}"
    if strange := [name for name in classes if name not in wanted]:
        yield f"manifest.json: classes: neither an image nor the version before has {strange[:_SHOWN]}"
    if len(wrong) > _SHOWN:
        yield f"manifest.json: classes: and {len(wrong) - _SHOWN} more have another label"
