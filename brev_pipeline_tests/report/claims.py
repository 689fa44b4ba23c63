"""A page whose every number has to be claimed: who asserts a piece of it strikes it out; what is left must not count.

A test reads tables by their captions, lists by their sections, sentences by their place, as a person does. What it
read is claimed. In the end `PageOfClaims.unclaimed` gives the texts that hold a digit and that nobody looked at.
"""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Final

from brev_pipeline_tests.report.pages import VOID

_SILENT: Final = {"style", "script"}
_TOLD: Final = ("title", "aria-label", "alt")  # attributes that people are told


class Node:
    """An element with its children, texts among them."""

    def __init__(self, tag: str, attributes: dict[str, str], parent: "Node | None") -> None:
        self.tag, self.attributes, self.parent = tag, attributes, parent
        self.children: list[Node | str] = []
        self.claimed = False

    @property
    def text(self) -> str:
        """All text below it, white space evened out."""
        return " ".join("".join(self._texts()).split())

    @property
    def words(self) -> str:
        """As `text`, with the texts of different elements set apart."""
        return " ".join(" ".join(self._texts()).split())

    def _texts(self) -> Iterator[str]:
        for child in self.children:
            if isinstance(child, str):
                yield child
            elif child.tag not in _SILENT:
                yield from child._texts()

    def below(self) -> Iterator["Node"]:
        """Every element below it, in their order."""
        for child in self.children:
            if isinstance(child, Node):
                yield child
                yield from child.below()

    def all(self, tag: str, kind: str = "") -> list["Node"]:
        """Elements below it by tag and class."""
        return [
            one
            for one in self.below()
            if one.tag == tag and (not kind or kind in one.attributes.get("class", "").split())
        ]

    def one(self, tag: str, kind: str = "") -> "Node":
        """The only such element."""
        (found,) = self.all(tag, kind)
        return found

    def claim(self) -> str:
        """Its text; it counts as looked at."""
        self.claimed = True
        return self.words


class PageOfClaims(HTMLParser):
    """The page as a tree."""

    def __init__(self, page: bytes) -> None:
        super().__init__(convert_charrefs=True)
        self.root = self._at = Node("", {}, None)
        self.feed(page.decode())
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        node = Node(tag, {name: value or "" for name, value in attrs}, self._at)
        self._at.children.append(node)
        if tag not in VOID:
            self._at = node

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self._at.tag == tag
            assert self._at.parent is not None
            self._at = self._at.parent

    def handle_data(self, data: str) -> None:
        self._at.children.append(data)

    def section(self, anchor: str) -> Node:
        """A section by its address on the page."""
        (found,) = [one for one in self.root.all("section") if one.attributes.get("id") == anchor]
        return found

    def unclaimed(self) -> list[str]:
        """Texts, and told attributes, that hold a digit and were not claimed; not those of a section's heading."""
        return list(_unclaimed(self.root))


def _unclaimed(node: Node) -> Iterator[str]:
    if node.claimed or node.tag in _SILENT:
        return
    for name in _TOLD:
        if re.search(r"\d", node.attributes.get(name, "")):
            yield f"{node.tag}[{name}]: {node.attributes[name]}"
    for child in node.children:
        if isinstance(child, Node):
            yield from _unclaimed(child)
        elif re.search(r"\d", child):
            yield f"{node.tag}: {child.strip()}"


def table(within: Node, caption: str) -> list[list[str]] | None:
    """Cells of a table by its caption, the head first; None where there is no such table."""
    found = [one for one in within.all("table") if one.one("caption").text == caption]
    if not found:
        return None
    (mine,) = found
    mine.one("caption").claim()
    assert mine.parent is not None
    assert mine.parent.attributes.pop("aria-label", caption) == caption  # taken from the page: it is looked at
    return [[cell.claim() for cell in row.below() if cell.tag in ("th", "td")] for row in mine.all("tr")]


def says(node: Node, *parts: str) -> None:
    """Demand that a sentence holds some parts, each once and in this order, and no digit besides."""
    rest = node.claim()
    for part in parts:
        before, found, rest_ = rest.partition(part)
        assert found, f"{part!r} is not in {rest!r}"
        assert not re.search(r"\d", before), f"nobody expected {before!r} before {part!r}"
        rest = rest_
    assert not re.search(r"\d", rest), f"nobody expected {rest!r}"
