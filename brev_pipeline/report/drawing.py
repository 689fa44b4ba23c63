"""Natural against drawn: how often each group stands in the bucket, and how often in the training files."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.report.ground import Ground
from brev_pipeline.report.opening import Opening, Tone
from brev_pipeline.report.rows import Mask, Numbered, tally
from brev_pipeline.report.text import counted, joined, percent

_GROUPS: Final = 60

WEIGHING: Final = {
    "uniform": "every group equally often",
    "count": "every group as often as it has images",
    "square root": "by the square root of a group's size",
    "log": "by the logarithm of a group's size",
    "logx+1": "by the logarithm of a group's size plus one",
}


@dataclass(frozen=True)
class Drawn:
    """A group: its images and its records."""

    name: str
    images: int
    natural: float
    """0..1, share of the purpose's images."""
    records: int
    drawn: float
    """0..1, share of the purpose's records."""

    @property
    def factor(self) -> float:
        """How many times as often as by nature."""
        return self.drawn / self.natural if self.natural else 0.0


@dataclass(frozen=True)
class Draws:
    """The groups of a purpose that is drawn by weight."""

    purpose: str
    images: int
    undrawn: int
    """Of its images, those that no draw holds."""
    records: int
    epochs: int
    groups: list[Drawn]
    more: int
    kind: str
    """What a draw is: of a fold, which holds its images as they are too, an augmented record."""

    @property
    def told(self) -> str:
        """Records, images and epochs in words."""
        images = counted(self.images, "image")
        whence = f"{self.images - self.undrawn:,} of its {images}" if self.undrawn else f"its {images}"
        epochs = f", in {self.epochs} epochs" if self.epochs > 1 else ""
        return f"{counted(self.records, self.kind)} from {whence}{epochs}"

    @property
    def longest(self) -> float:
        """The largest share, which fills its bar."""
        return max((max(group.natural, group.drawn) for group in self.groups), default=1.0) or 1.0


@dataclass(frozen=True)
class Drawing:
    """The section."""

    opening: Opening
    draws: list[Draws]
    plain: list[tuple[str, int]]
    """Purposes whose images are used once each, as they are: name and records."""
    rule: str
    """Empty where nothing is drawn by weight."""


def drawing(ground: Ground) -> Drawing:
    """Natural and drawn frequencies, from the weights and the records themselves."""
    settings = ground.configuration["sampling"]
    weighed = [name for name in ground.purposes if name in settings["purposes"]]
    weights = ground.inputs.weights.read(["purpose", "group", "samples"])
    columns = {name: ground.records.numbered(name) for name in ("purpose", "group", "epoch")}
    augmented = ground.records.column("augmented").to_numpy()
    drawn = {name: columns["purpose"].among([name]) & augmented for name in weighed}
    undrawn = _undrawn(ground, drawn)
    kinds = dict.fromkeys(ground.dividing.fold_names, "augmented record")
    draws = [
        _draws(weights, columns, name, drawn[name], undrawn.get(name, 0), kinds.get(name, "record")) for name in weighed
    ]
    as_is = tally({"purpose": columns["purpose"].at(np.flatnonzero(~augmented))})
    once = {row["purpose"]: row["count"] for row in as_is}
    plain = [(name, once[name]) for name in ground.purposes if name in once]
    rule = f"Groups are made by {joined(settings['groupby'])} and drawn {WEIGHING[settings['group_weighing']]}."
    fine = ground.is_fine("sampling_weights") and ground.is_fine("tfrecord_shards")
    return Drawing(_opening(draws, plain, fine), draws, plain, rule if draws else "")


def _undrawn(ground: Ground, drawn: Mapping[str, Mask]) -> dict[str, int]:
    """Purpose → its images that no draw holds; those of a fold stand in its other part nevertheless."""
    if not ground.dividing.folds:
        return ground.undrawn
    paths = ground.records.numbered("path").codes
    images = {row["purpose"]: row["count"] for row in ground.split.tally("purpose")}
    return {name: images.get(name, 0) - len(np.unique(paths[mine])) for name, mine in drawn.items()}


def _draws(
    weights: pa.Table, records: Mapping[str, Numbered], purpose: str, mine: Mask, undrawn: int, kind: str
) -> Draws:
    weights = weights.filter(pc.equal(weights["purpose"], purpose))
    counts = {row["group"]: row["count"] for row in tally({"group": records["group"].at(mine)})}
    total = int(mine.sum())
    images = pc.sum(weights["samples"]).as_py() or 0
    groups = [
        Drawn(
            row["group"],
            row["samples"],
            row["samples"] / max(1, images),
            counts.get(row["group"], 0),
            counts.get(row["group"], 0) / max(1, total),
        )
        for row in weights.sort_by([("samples", "descending"), ("group", "ascending")]).to_pylist()
    ]
    epochs = len(np.unique(records["epoch"].codes[mine]))
    return Draws(purpose, images, undrawn, total, epochs, groups[:_GROUPS], max(0, len(groups) - _GROUPS), kind)


def _opening(draws: list[Draws], plain: list[tuple[str, int]], fine: bool) -> Opening:
    parts = []
    for one in draws:
        lifted = max(one.groups, key=lambda group: (group.factor, group.name), default=None)
        said = f"{one.purpose} has {one.told}"
        if lifted and lifted.factor > 1.05:
            said += f", “{lifted.name}” lifted from {percent(lifted.natural)} to {percent(lifted.drawn)}"
        parts.append(said)
    once = joined([f"{name} ({records:,})" for name, records in plain])
    if once:
        parts.append(f"{once} {'is' if len(plain) == 1 else 'are'} used once each, as they are")
    text = "; ".join(parts) + "." if parts else "Nothing was drawn."
    text += "" if fine else " Not all is as wanted: see the checks."
    tone: Tone = "good" if parts and fine else "look"
    return Opening("drawing", "How often each group is drawn", tone, text[0].upper() + text[1:])
