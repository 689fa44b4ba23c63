"""Reads a pipeline's YAML: every problem at once, each with its YAML path, its line, and what to do."""

from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from brev_pipeline.config.models import PipelineConfig
from brev_pipeline.errors import ConfigError

_SECRETS = {"key", "secret", "token", "password", "access_key", "secret_key"} | {
    "aws_access_key_id",
    "aws_secret_access_key",
}


def load_config(path: str | Path) -> PipelineConfig:
    """Read and check one pipeline's YAML file.

    Args:
        path: the file. Relative places in it are meant from its folder.

    Raises:
        ConfigError: the file cannot be read, is not YAML, or says something that a pipeline may not say.
            The message has one line per problem: ``file:line: datasets[0].bucket: what is wrong``.
    """
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        hint = "; `brev-pipeline init` writes one" if isinstance(error, FileNotFoundError) else ""
        raise ConfigError(f"{file}: cannot be read: {getattr(error, 'strerror', None) or error}{hint}") from error
    return parse_config(text, str(file), file.resolve().parent)


def parse_config(text: str, name: str = "<text>", base: Path | None = None) -> PipelineConfig:
    """Check a pipeline's YAML text; ``name`` stands before each problem. Raises `ConfigError` as `load_config`."""
    try:
        tree = yaml.compose(text, yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{name}:{mark.line + 1}" if mark else name
        raise ConfigError(f"{where}: not YAML: {getattr(error, 'problem', None) or error}") from error
    if not isinstance(tree, yaml.MappingNode):
        raise ConfigError(f"{name}: holds no settings; at least name, store and datasets are needed")
    problems = [f"{name}:{line}: {path}: stands here twice; remove one" for line, path in _repeated(tree)]
    try:
        config = PipelineConfig.model_validate(yaml.safe_load(text))
    except (ValidationError, yaml.YAMLError) as error:
        problems += [_problem(name, tree, dict(detail)) for detail in _details(error)]
    if problems:
        raise ConfigError("\n".join(dict.fromkeys(problems)))
    return config.at(base or Path.cwd())


def _details(error: ValidationError | yaml.YAMLError) -> list[Any]:
    if isinstance(error, ValidationError):
        return list(error.errors())
    return [{"loc": (), "type": "yaml", "msg": str(error)}]


def _problem(name: str, tree: yaml.Node, detail: dict[str, Any]) -> str:
    loc = _yaml_loc(tree, detail["loc"])
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc).lstrip(".")
    message = detail["msg"].removeprefix("Value error, ")
    if detail["type"] == "extra_forbidden":
        message = "unknown key"
        if str(loc[-1]).lower() in _SECRETS:
            message += "; credentials do not belong into this file: use the environment, a profile or a role"
        else:
            message += _did_you_mean(loc)
    elif detail["type"] == "missing":
        message = "is missing"
    elif "input" in detail and detail["type"] != "value_error" and not isinstance(detail["input"], dict):
        message += f", got {detail['input']!r}"
    return f"{name}:{_line(tree, loc)}: {path or 'the file'}: {message}"


def _yaml_loc(tree: yaml.Node, loc: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """``loc`` without the names that pydantic puts in for the members of a union."""
    kept: list[int | str] = []
    node: yaml.Node | None = tree
    for place, part in enumerate(loc):
        child = _child(node, part)
        # The last part may be a key that is missing from the file; anything else unknown is a union's member.
        if child is None and not (place == len(loc) - 1 and isinstance(node, yaml.MappingNode)):
            continue
        kept.append(part)
        node = child
    return tuple(kept)


def _child(node: yaml.Node | None, part: int | str) -> yaml.Node | None:
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part]  # type: ignore[no-any-return]
    if isinstance(node, yaml.MappingNode):
        return next((value for key, value in node.value if key.value == str(part)), None)
    return None


def _line(tree: yaml.Node, loc: tuple[int | str, ...]) -> int:
    node: yaml.Node = tree
    line = 1
    for part in loc:
        if isinstance(node, yaml.MappingNode):
            line = next((key.start_mark.line + 1 for key, _ in node.value if key.value == str(part)), line)
        child = _child(node, part)
        if child is None:
            break
        if isinstance(node, yaml.SequenceNode):
            line = child.start_mark.line + 1
        node = child
    return line


def _repeated(node: yaml.Node, path: str = "") -> list[tuple[int, str]]:
    found: list[tuple[int, str]] = []
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            here = f"{path}.{key.value}".lstrip(".")
            if key.value in seen:
                found.append((key.start_mark.line + 1, here))
            seen.add(key.value)
            found += _repeated(value, here)
    elif isinstance(node, yaml.SequenceNode):
        for place, value in enumerate(node.value):
            found += _repeated(value, f"{path}[{place}]")
    return found


def _did_you_mean(loc: tuple[int | str, ...]) -> str:
    import difflib

    schema = PipelineConfig.model_json_schema()
    node: dict[str, Any] = schema
    for part in loc[:-1]:
        node = _resolve(schema, node)
        node = node.get("items", {}) if isinstance(part, int) else node.get("properties", {}).get(part, {})
    known = list(_resolve(schema, node).get("properties", {}))
    close = difflib.get_close_matches(str(loc[-1]), known, 1, 0.5)
    if close:
        return f"; did you mean {close[0]}?"
    return f"; known here: {', '.join(known)}" if known else ""


def _resolve(schema: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    for option in (node, *node.get("anyOf", [])):
        if "$ref" in option:
            return schema["$defs"][option["$ref"].rpartition("/")[2]]  # type: ignore[no-any-return]
    return node
