"""The fenced blocks of README.md and docs/*.md: what is in them, and which of them are not run, and why."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]

_FENCE = re.compile(
    r"(?:^<!-- not run: (?P<why>[^\n]*?) -->\n)?^```(?P<language>\w*)[^\n]*\n(?P<text>.*?)^```$", re.M | re.S
)


@dataclass(frozen=True)
class Block:
    """A fenced block."""

    page: str
    line: int
    language: str
    text: str
    why_not: str | None
    """Why it is not run; None: it is."""

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def commands(self) -> list[str]:
        """Of a console block: what stands behind the prompts, with lines that are continued joined."""
        joined = self.text.replace("\\\n", " ")
        return [line.removeprefix("$ ") for line in joined.splitlines() if line.startswith("$ ")]


def blocks_of(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(page.name, text.count("\n", 0, found.start("text")), found["language"], found["text"], found["why"])
        for found in _FENCE.finditer(text)
    ]


def blocks(language: str) -> list[Block]:
    """All blocks of a language."""
    return [block for page in PAGES for block in blocks_of(page) if block.language == language]


def words_of(command: str) -> list[str]:
    """A command's words, without comments and redirections."""
    words = shlex.split(command, comments=True)
    ends = [place for place, word in enumerate(words) if word in (">", "|", "&&", ";")]
    return words[: ends[0]] if ends else words
