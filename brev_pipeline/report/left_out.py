"""Left out: every listed image that is in no training file, and the rule that took it out."""

from dataclasses import dataclass
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.account import LEFT_OUT_RULES
from brev_pipeline.report.ground import RULES, Ground
from brev_pipeline.report.opening import Opening
from brev_pipeline.report.rows import first, numbered, picked, tally
from brev_pipeline.report.text import counted

_ROWS: Final = 60


@dataclass(frozen=True)
class Excluded:
    """An image that was left out."""

    path: str
    partner: str
    reason: str


@dataclass(frozen=True)
class Rule:
    """A rule and the images that it took out."""

    name: str
    says: str
    images: int
    share: float
    """0..1, of all listed images."""
    examples: list[Excluded]


@dataclass(frozen=True)
class LeftOut:
    """The section."""

    opening: Opening
    listed: int
    used: int
    rules: list[Rule]

    @property
    def out(self) -> int:
        """Images left out in all."""
        return sum(rule.images for rule in self.rules)


def left_out(ground: Ground) -> LeftOut:
    """The exclusions by rule, and whether they and the used images together are the listing."""
    table = ground.inputs.exclusions
    by_rule, rules = numbered(table["rule"]), []
    # What the listing itself leaves out stands in no other table.
    listed = ground.listed + int(by_rule.among(LEFT_OUT_RULES).sum())
    for row in tally({"rule": by_rule}):
        mine = first(table.select(["path"]), _ROWS, by_rule.among([row["rule"]]))
        shown = pa.table({name: picked(table[name], mine) for name in ("path", "partner", "reason")})
        examples = [Excluded(one["path"], one["partner"] or "", one["reason"]) for one in shown.to_pylist()]
        says = RULES.get(row["rule"], row["rule"].replace("_", " "))
        rules.append(Rule(row["rule"], says, row["count"], row["count"] / max(1, listed), examples))
    used = pc.count_distinct(ground.records.column("path")).as_py()
    return LeftOut(_opening(listed, used, rules), listed, used, rules)


def _opening(listed: int, used: int, rules: list[Rule]) -> Opening:
    out = sum(rule.images for rule in rules)
    title = "What was left out"
    if used + out != listed:
        said = (
            f"{listed:,} images are listed, but {used:,} used and {out:,} left out make {used + out:,}: see the checks."
        )
        return Opening("left-out", title, "bad", said)
    if not out:
        said = f"Nothing was left out: every one of the {counted(listed, 'listed image')} is in the training files."
        return Opening("left-out", title, "good", said)
    said = (
        f"{used:,} of the {counted(listed, 'listed image')} {'is' if used == 1 else 'are'} in the training files, "
        f"{out:,} {'is' if out == 1 else 'are'} not, and each of these has its reason: nothing was lost."
    )
    return Opening("left-out", title, "good", said)
