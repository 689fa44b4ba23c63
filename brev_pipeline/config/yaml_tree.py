"""YAML as a tree that knows the line of each of its values, bounded in size, depth and number of values.

A file that a person made by mistake, or on purpose, must end in an error that names the place: it may neither hang nor
kill who reads it. So the parser's events are taken one by one, without recursion; aliases are counted as the values
that they stand for, before anything goes through them; and what PyYAML's constructors raise belongs to one value.
Of YAML's types those of JSON are known, and dates; a key is a text.
"""

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final

import yaml
from yaml.constructor import SafeConstructor

from brev_pipeline.config.credentials import find_credentials, is_host_field, redact

MAX_BYTES: Final = 512 * 1024
"""Largest file, bytes."""
MAX_DEPTH: Final = 50
"""Lists and mappings within each other, at most."""
MAX_VALUES: Final = 20_000
"""Keys and values in a file, aliases counted as what they stand for: a class_mapping of 9,000 folders fits."""

YamlPath = tuple[str | int, ...]
"""Keys and places that lead to a value."""

_TAG: Final = "tag:yaml.org,2002:"
_MERGE: Final = f"{_TAG}merge"
_CONSTRUCT: Final[dict[str, Callable[[SafeConstructor, yaml.ScalarNode], Any]]] = {
    f"{_TAG}null": SafeConstructor.construct_yaml_null,
    f"{_TAG}bool": SafeConstructor.construct_yaml_bool,
    f"{_TAG}int": SafeConstructor.construct_yaml_int,
    f"{_TAG}float": SafeConstructor.construct_yaml_float,
    f"{_TAG}timestamp": SafeConstructor.construct_yaml_timestamp,
}
# "=" alone has a type of its own in YAML 1.1, which nobody means.
_TEXTS: Final = (f"{_TAG}str", f"{_TAG}value", _MERGE)
_LONGEST_NUMBER: Final = 100  # characters
# What no text of a configuration needs, and what databases, terminals and file systems choke on.
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")


class YamlError(Exception):
    """A text that cannot be read on: ``line`` (from 1; 0: none) and ``path`` say where."""

    def __init__(self, message: str, line: int = 0, path: YamlPath = ()) -> None:
        super().__init__(message)
        self.line = line
        self.path = path


@dataclass(frozen=True)
class Problem:
    """Something wrong with one value."""

    line: int
    """From 1; 0: of no line."""
    path: YamlPath
    """Keys and places that lead to the value."""
    message: str


@dataclass
class Node:
    """A value of the file, and where it stands."""

    value: Any
    """Dictionary with texts as keys, list, text, number, date, truth value or None."""
    line: int
    """Of the value, or of its key where it has one; from 1."""
    children: dict[str | int, "Node"] = field(default_factory=dict)
    count: int = 1
    """Values in it, itself included."""
    depth: int = 0
    """Lists and mappings within each other, itself included."""


@dataclass
class Tree:
    """A file that could be read."""

    root: Node
    problems: list[Problem]
    """Of single values; these stand as None or, where credentials were taken out of them, as what is left."""

    def line_of(self, path: YamlPath) -> int:
        """Line of the innermost value on the path that the file has."""
        node, line = self.root, 1
        for part in path:
            if part not in node.children:
                break
            node = node.children[part]
            line = node.line
        return line


def read_tree(text: str) -> Tree:
    """Read YAML.

    Raises:
        YamlError: it is not YAML, not one document that is a mapping, or exceeds a bound.
    """
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise YamlError(f"is larger than {MAX_BYTES // 1024} KiB, which no configuration needs")
    if control := _CONTROL.search(text):
        line = text.count("\n", 0, control.start()) + 1
        raise YamlError(f"not YAML: holds the control character U+{ord(control[0]):04X}; remove it", line)
    return _TreeBuilder().build_tree(_parse_events(text))


def _parse_events(text: str) -> Iterator[yaml.Event]:
    # The same language as yaml.SafeLoader's, ten times as fast; not every installation of PyYAML has it.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(text)
    try:
        while loader.check_event():
            yield loader.get_event()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        reason = getattr(error, "problem", None) or getattr(error, "reason", None) or error
        # What is missing at the end stands on the last line for people, on the next for libyaml.
        last = text.rstrip("\n").count("\n") + 1
        raise YamlError(f"not YAML: {reason}", min(mark.line + 1, last) if mark else 0) from error
    finally:
        loader.dispose()


@dataclass
class _Frame:
    """A list or mapping that is being read."""

    node: Node
    path: YamlPath
    anchor: str | None
    key: str | None = None
    """Of the value that comes next."""
    key_line: int = 0
    is_merge: bool = False
    merged: list[Node] = field(default_factory=list)

    @property
    def is_mapping(self) -> bool:
        return isinstance(self.node.value, dict)

    @property
    def next_path(self) -> YamlPath:
        if self.is_mapping:
            return self.path if self.key is None else (*self.path, self.key)
        return (*self.path, len(self.node.value))


class _TreeBuilder:
    """Makes a tree out of events."""

    def __init__(self) -> None:
        self._problems: list[Problem] = []
        self._frames: list[_Frame] = []
        self._anchors: dict[str, Node] = {}
        self._count = 0
        self._root: Node | None = None
        self._resolver = yaml.SafeLoader("")
        self._line = 0

    def build_tree(self, events: Iterator[yaml.Event]) -> Tree:
        for event in events:
            assert event.start_mark is not None
            self._line = event.start_mark.line + 1
            # Of an empty document too there is a root: None.
            if isinstance(event, yaml.DocumentStartEvent) and self._root is not None:
                raise YamlError("a second document begins here (---); one file is one pipeline", self._line)
            self._take(event)
        if self._root is None or not isinstance(self._root.value, dict):
            raise YamlError("holds no settings; at least name, store and datasets are needed")
        return Tree(self._root, self._problems)

    def _take(self, event: yaml.Event) -> None:
        if isinstance(event, yaml.ScalarEvent):
            if self._awaits_key:
                self._begin_entry(event)
            else:
                self._add(self._construct_scalar(event), event.anchor)
        elif isinstance(event, yaml.AliasEvent):
            self._add(self._resolve_alias(str(event.anchor)))
        elif isinstance(event, yaml.SequenceStartEvent | yaml.MappingStartEvent):
            self._open(event)
        elif isinstance(event, yaml.SequenceEndEvent | yaml.MappingEndEvent):
            self._close()

    @property
    def _awaits_key(self) -> bool:
        return bool(self._frames) and self._frames[-1].is_mapping and self._frames[-1].key is None

    @property
    def _path(self) -> YamlPath:
        return self._frames[-1].next_path if self._frames else ()

    def _report(self, message: str, path: YamlPath | None = None) -> None:
        self._problems.append(Problem(self._line, self._path if path is None else path, message))

    def _stop(self, message: str) -> YamlError:
        return YamlError(message, self._line, self._path)

    def _count_in(self, count: int, depth: int = 0) -> None:
        if len(self._frames) + depth > MAX_DEPTH:
            raise self._stop(f"more than {MAX_DEPTH} lists and mappings within each other; no setting is so deep")
        self._count += count
        if self._count > MAX_VALUES:
            raise self._stop(
                f"more than {MAX_VALUES:,} keys and values, aliases counted as what they stand for; shorten it"
            )

    def _open(self, event: yaml.SequenceStartEvent | yaml.MappingStartEvent) -> None:
        if self._awaits_key:
            raise self._stop("a list or mapping stands here as a key; a key is a text")
        self._count_in(1, depth=1)
        value: Any = {} if isinstance(event, yaml.MappingStartEvent) else []
        if event.tag not in (None, "!", f"{_TAG}map" if isinstance(value, dict) else f"{_TAG}seq"):
            self._report(f"the type {_format_tag(event.tag)} is not known here; remove it")
        line = self._frames[-1].key_line if self._frames and self._frames[-1].key is not None else self._line
        self._frames.append(_Frame(Node(value, line), self._path, event.anchor))

    def _close(self) -> None:
        frame = self._frames.pop()
        node, children = frame.node, frame.node.children
        for merged in frame.merged:
            for key, child in merged.children.items():
                if key not in children:
                    children[key], node.value[key] = child, child.value
        node.count = 1 + sum(child.count for child in children.values())
        node.depth = 1 + max((child.depth for child in children.values()), default=0)
        self._add(node, frame.anchor)

    def _begin_entry(self, event: yaml.ScalarEvent) -> None:
        frame = self._frames[-1]
        self._count_in(1)
        tag, text = self._resolve_tag(event), self._clean_text(event.value)
        frame.key, frame.key_line, frame.is_merge = text, self._line, tag == _MERGE
        if event.anchor:
            self._anchors[event.anchor] = Node(text, self._line)
        if tag not in _TEXTS:
            self._report(f"the key {shorten_text(text)} is not read as a text here; put it into quotes")
        elif text in frame.node.children:
            self._report("stands here twice; remove one")

    def _add(self, node: Node, anchor: str | None = None) -> None:
        """Put a finished value where it belongs."""
        if anchor:
            self._anchors[anchor] = node
        if not self._frames:
            self._root = node
            return
        frame = self._frames[-1]
        if frame.is_merge:
            self._merge(frame, node)
        elif frame.is_mapping:
            assert frame.key is not None
            frame.node.children[frame.key] = replace(node, line=frame.key_line)
            frame.node.value[frame.key] = node.value
        else:
            frame.node.children[len(frame.node.value)] = node
            frame.node.value.append(node.value)
        frame.key, frame.is_merge = None, False

    def _merge(self, frame: _Frame, node: Node) -> None:
        sources = list(node.children.values()) if isinstance(node.value, list) else [node]
        if all(isinstance(source.value, dict) for source in sources):
            frame.merged += sources
        else:
            self._report("<< takes a mapping, or a list of mappings")

    def _resolve_alias(self, anchor: str) -> Node:
        if self._awaits_key:
            raise self._stop(f"the alias *{shorten_text(anchor)} stands here as a key; write the text itself")
        if any(frame.anchor == anchor for frame in self._frames):
            raise self._stop(f"*{shorten_text(anchor)} stands within &{shorten_text(anchor)}, so it would never end")
        node = self._anchors.get(anchor)
        if node is None:
            raise self._stop(
                f"*{shorten_text(anchor)} is an alias of nothing: no &{shorten_text(anchor)} stands before it"
            )
        self._count_in(node.count, node.depth)
        return replace(node, line=self._line)

    def _construct_scalar(self, event: yaml.ScalarEvent) -> Node:
        self._count_in(1)
        tag, value = self._resolve_tag(event), event.value
        if tag in _TEXTS:
            return Node(self._clean_text(value), self._line)
        construct = _CONSTRUCT.get(tag)
        if construct is None:
            self._report(f"the type {_format_tag(tag)} is not known here; remove it")
            return Node(None, self._line)
        try:
            if len(value) > _LONGEST_NUMBER:
                raise ValueError(f"has {len(value)} characters")
            constructed = construct(self._resolver, yaml.ScalarNode(tag, value))
            if isinstance(constructed, float) and not math.isfinite(constructed):
                raise ValueError("is not finite")
        except Exception as error:  # noqa: BLE001 (PyYAML's constructors raise whatever int, float and date do)
            kind = {"timestamp": "date", "int": "number", "float": "number"}.get(tag.removeprefix(_TAG), "value")
            self._report(f"{shorten_text(redact(value))} is no {kind} that can be used: {error}")
            return Node(None, self._line)
        return Node(constructed, self._line)

    def _resolve_tag(self, event: yaml.ScalarEvent) -> str:
        if event.tag in (None, "!"):
            return str(self._resolver.resolve(yaml.ScalarNode, event.value, event.implicit))  # type: ignore[no-untyped-call]
        return str(event.tag)

    def _clean_text(self, text: str) -> str:
        """The text, without what it must not hold; that is reported."""
        # The file's own text was searched before; an escape such as "\x00" makes one only now.
        if control := _CONTROL.search(text):
            self._report(f"holds the control character U+{ord(control[0]):04X}; remove it")
            text = _CONTROL.sub("?", text)
        is_host = not self._awaits_key and is_host_field((self._path or ("",))[-1])
        if problem := find_credentials(text, is_host=is_host):
            self._report(problem)
            return redact(text, is_host=is_host)
        return text


def shorten_text(text: str, length: int = 60) -> str:
    """A text of which at most so many characters are shown, for messages."""
    return text if len(text) <= length else f"{text[:length]}…"


def _format_tag(tag: str) -> str:
    return shorten_text(redact(tag.replace(_TAG, "!!")))
