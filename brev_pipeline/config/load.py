"""Reads a pipeline's YAML: every problem at once, each with its YAML path, its line, and what to do.

Whatever is wrong with a file ends as a `ConfigError` that names the place, in bounded time: who loads a folder of
them can go on with the next.
"""

import json
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from brev_pipeline.config.credentials import redact
from brev_pipeline.config.pipeline import PipelineConfig
from brev_pipeline.config.yaml_tree import MAX_BYTES, Problem, Tree, YamlError, YamlPath, read_tree, shorten_text
from brev_pipeline.errors import ConfigError

M = TypeVar("M", bound=BaseModel)

_SECRET_KEYS: Final = frozenset(
    ["key", "secret", "token", "password", "access_key", "secret_key", "aws_access_key_id", "aws_secret_access_key"]
)
_MAX_PROBLEMS: Final = 50  # problems that are told of one file
_MAX_PROBLEM_LENGTH: Final = 500  # characters of what is told of one problem


def load_config(
    path: str | Path, *, for_run: bool = False, check_cron: Callable[[str], str] | None = None
) -> PipelineConfig:
    """Read and check one pipeline's YAML file.

    Args:
        path: the file. Relative places in it are meant from its folder.
        for_run: whether the files besides images that a run reads must be there too (``split.ledger_csv``,
            ``split.given``). Commands about published versions do not need them.
        check_cron: returns a cron that Dagster can use, and raises `ValueError` otherwise; None: any text will do.

    Raises:
        ConfigError: the file cannot be read, is not YAML, or says something that a pipeline may not say.
            The message has one line per problem: ``file:line: datasets[0].bucket: what is wrong``.
    """
    file = Path(path)
    name = to_printable(file)
    try:
        text = _read_regular(file).decode("utf-8-sig")
    except OSError as error:
        hint = "; `brev-pipeline init` writes one" if isinstance(error, FileNotFoundError) else ""
        raise ConfigError(f"{name}: cannot be read: {error.strerror or error}{hint}") from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{name}:{line}: is not UTF-8 text (byte {error.start}); save it as UTF-8") from error
    return _parse(text, name, file.resolve().parent, for_run=for_run, check_cron=check_cron)


def parse_config(text: str, name: str = "<text>", base: Path | None = None) -> PipelineConfig:
    """Check a pipeline's YAML text; ``name`` stands before each problem. Raises `ConfigError` as `load_config`."""
    return _parse(text, name, base or Path.cwd())


def build_settings(model: type[M], given: Mapping[str, Any]) -> M:
    """Check settings that do not come from a file.

    Raises:
        ConfigError: they are not what the model takes; the message names each key, and repeats no credentials.
    """
    try:
        return model.model_validate(given)
    except ValidationError as error:
        problems = [
            f"{_format_path(detail['loc'])}: {_describe_error(dict(detail), detail['loc'])}"
            for detail in error.errors()
        ]
        # Without its cause, whose text would show what the settings hold.
        raise ConfigError("; ".join(problems)) from None


def to_printable(file: Path) -> str:
    """A file's name as text that can be printed and stored, whatever bytes it is made of."""
    return os.fsencode(file).decode("utf-8", "backslashreplace")


def _read_regular(file: Path) -> bytes:
    """Bytes of a regular file, at most one more than is allowed."""
    # O_NONBLOCK: a pipe or device is never waited for.
    with open(os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as stream:
        mode = os.fstat(stream.fileno()).st_mode
        if not stat.S_ISREG(mode):
            raise OSError("it is no regular file" if not stat.S_ISDIR(mode) else "it is a folder")
        return stream.read(MAX_BYTES + 1)


def _parse(
    text: str, name: str, base: Path, *, for_run: bool = False, check_cron: Callable[[str], str] | None = None
) -> PipelineConfig:
    try:
        tree = read_tree(text)
    except YamlError as error:
        raise ConfigError(_format_problem(name, Problem(error.line, error.path, str(error)))) from error
    problems, more = list(tree.problems), 0
    try:
        config = PipelineConfig.model_validate(tree.root.value, context={"check_cron": check_cron}).with_base(base)
        if for_run:
            problems += _find_missing_files(config, tree)
    except ValidationError as error:
        # A value with a problem of its own was validated in its bare form, which says nothing new.
        reported = {problem.path for problem in problems}
        problems += [problem for problem in _list_problems(tree, error) if problem.path not in reported]
        more = max(0, error.error_count() - _MAX_PROBLEMS)
    if problems:
        raise ConfigError(_format_problems(name, problems, more))
    return config


def _find_missing_files(config: PipelineConfig, tree: Tree) -> Iterator[Problem]:
    for key, location in config.split.input_files.items():
        if location is None:
            continue
        # At most three: a word of split.given.lists may hold dots itself.
        path: YamlPath = tuple(key.split(".", 3))
        file = config.resolve_location(location)
        try:
            os.close(os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
            reason = None if os.path.isfile(file) else "it is no regular file"
        except OSError as error:
            reason = error.strerror or str(error)
        if reason:
            hint = "relative places are meant from the configuration's folder"
            yield Problem(tree.line_of(path), path, f"{file} cannot be read: {reason}; {hint}")


def _format_problems(name: str, problems: list[Problem], more: int) -> str:
    problems = sorted(problems, key=lambda problem: problem.line)
    lines = list(dict.fromkeys(_format_problem(name, problem) for problem in problems))
    shown = lines[:_MAX_PROBLEMS]
    if more := more + len(lines) - len(shown):
        shown.append(f"{name}: and {more} more problems")
    return "\n".join(shown)


def _format_problem(name: str, problem: Problem) -> str:
    where = f"{name}:{problem.line}" if problem.line else name
    path = f"{_format_path(problem.path)}: " if problem.path else ""
    return f"{where}: {shorten_text(redact(f'{path}{problem.message}'), _MAX_PROBLEM_LENGTH)}".replace("\n", " ")


def _list_problems(tree: Tree, error: ValidationError) -> Iterator[Problem]:
    for detail in error.errors(include_url=False, include_context=False)[:_MAX_PROBLEMS]:
        path = _yaml_path(tree, detail["loc"])
        message = _describe_error(dict(detail), path)
        yield Problem(tree.line_of(path), path, message if path else f"the file: {message}")


def _describe_error(detail: dict[str, Any], path: YamlPath) -> str:
    if detail["type"] == "extra_forbidden":
        if str(path[-1]).lower() in _SECRET_KEYS:
            return "unknown key; credentials do not belong into this file: use the environment, a profile or a role"
        return f"unknown key{_did_you_mean(detail['loc'])}"
    if detail["type"] == "missing":
        return "is missing"
    message = str(detail["msg"]).removeprefix("Value error, ")
    value = detail.get("input")
    if detail["type"] == "value_error" or not isinstance(value, str | int | float):
        # What lists and mappings hold is not repeated: nobody knows what that may be.
        return message
    hint = "; put it into quotes" if detail["type"] == "string_type" else ""
    return f"{message}, got {shorten_text(repr(redact(value) if isinstance(value, str) else value), 80)}{hint}"


def _format_path(path: YamlPath) -> str:
    parts = [f"[{part}]" if isinstance(part, int) else f".{shorten_text(part, 60)}" for part in path]
    return shorten_text("".join(parts).lstrip("."), 200)


def _yaml_path(tree: Tree, loc: YamlPath) -> YamlPath:
    """``loc`` without the names that pydantic puts in for the members of a union."""
    kept: list[int | str] = []
    node = tree.root
    for depth, part in enumerate(loc):
        # The last part may be a key that is missing from the file; anything else unknown is a union's member.
        if part in node.children:
            node = node.children[part]
        elif not (depth == len(loc) - 1 and isinstance(node.value, dict) and node.value.get("kind") != part):
            continue
        kept.append(part)
    return tuple(kept)


# Once: of a file with many unknown keys each asks for it.
@cache
def _schema() -> dict[str, Any]:
    return PipelineConfig.model_json_schema()


def schema_text() -> str:
    """The JSON schema of a configuration, as it stands in ``configs/schema.json``: by it editors complete and check."""
    return json.dumps(_schema(), indent=1, ensure_ascii=False) + "\n"


def _did_you_mean(loc: YamlPath) -> str:
    import difflib

    node = _schema()
    for part in loc[:-1]:
        node = _dereference(node)
        if isinstance(part, int):
            node = node.get("items", {})
        elif "oneOf" in node:
            node = _find_kind(node, part)
        else:
            node = node.get("properties", {}).get(part, {})
    known = list(_dereference(node).get("properties", {}))
    # Cut: comparing takes longer the longer the key is.
    if close := difflib.get_close_matches(str(loc[-1])[:60], known, 1, 0.5):
        return f"; did you mean {close[0]}?"
    return f"; known here: {', '.join(known)}" if known else ""


def _find_kind(node: dict[str, Any], kind: str) -> dict[str, Any]:
    """Of several forms the one of this ``kind``."""
    forms = map(_dereference, node["oneOf"])
    return next((form for form in forms if form.get("properties", {}).get("kind", {}).get("const") == kind), {})


def _dereference(node: dict[str, Any]) -> dict[str, Any]:
    """What a node of the schema refers to, also as one of several forms; else the node."""
    references = [form["$ref"] for form in (node, *node.get("anyOf", [])) if "$ref" in form]
    return _schema()["$defs"][references[0].rpartition("/")[2]] if references else node
