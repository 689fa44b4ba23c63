"""How a section opens: one sentence that says what it shows and whether all is well."""

from dataclasses import dataclass
from typing import Final, Literal

Tone = Literal["good", "look", "bad", "plain"]

_PILLS: Final[dict[Tone, str]] = {
    "good": "All well",
    "look": "Worth a look",
    "bad": "Problem",
    "plain": "For information",
}


@dataclass(frozen=True)
class Opening:
    """Of a section.

    Attributes:
        anchor: its id on the page.
        title: its heading.
        tone: whether all is well.
        says: the sentence.
    """

    anchor: str
    title: str
    tone: Tone
    says: str

    @property
    def pill(self) -> str:
        """The tone in words."""
        return _PILLS[self.tone]


def worst(*tones: Tone) -> Tone:
    """The gravest of some tones."""
    order: list[Tone] = ["bad", "look", "good", "plain"]
    return min(tones, key=order.index, default="good")
