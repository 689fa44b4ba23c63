"""What MkDocs puts into the pages out of the code itself, so that no page can tell something else than the program.

A page asks for it with a comment on a line of its own: ``<!-- generated: configuration -->`` (every key of the YAML),
``<!-- generated: checks -->`` (a table of all rules), ``<!-- rule: raw_listing.enough_images -->`` (one rule), or
``<!-- generated: commands -->`` (the help of every command), or ``<!-- generated: own_checks -->`` (an example).
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from brev_pipeline.cli import main
from brev_pipeline.config import PipelineConfig, parse_config
from brev_pipeline.expectations import SUITES, Rule

_SMALLEST = "{name: any, store: store, datasets: [{name: a, id: a, bucket: a}]}"
Schema = dict[str, Any]


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Called by MkDocs for every page."""
    markdown = re.sub(r"^<!-- generated: (\w+) -->$", lambda found: GENERATED[found[1]](), markdown, flags=re.M)
    return re.sub(
        r"^<!-- rule: (\w+)\.(\w+) -->$", lambda found: rule_sentence(found[1], found[2]), markdown, flags=re.M
    )


def configuration() -> str:
    """Every key that a configuration may have: a heading and a table per section."""
    schema = PipelineConfig.model_json_schema()
    parts = []
    for path, section in sections(schema):
        title = f"`{path}`" if path else "The file itself"
        rows = [_row(schema, section, key, entry) for key, entry in section["properties"].items()]
        head = ["| key | takes | default | |", "| --- | --- | --- | --- |"]
        parts.append("\n".join([f"### {title}", "", section.get("description", ""), "", *head, *rows, ""]))
    return "\n".join(parts)


def sections(schema: Schema) -> Iterator[tuple[str, Schema]]:
    """YAML path and schema of every section, the file itself first."""

    def walk(path: str, section: Schema) -> Iterator[tuple[str, Schema]]:
        yield path, section
        for key, entry in section["properties"].items():
            if inner := _section(schema, entry):
                several = "[]" if entry.get("type") == "array" else ""
                yield from walk(f"{path}.{key}{several}".lstrip("."), inner)
            for kind, form in _kinds(schema, entry).items():
                yield from walk(f"{path}.{key}[] of kind {kind}", form)

    yield from walk("", schema)


def _section(schema: Schema, entry: Schema) -> Schema | None:
    """The section that a key holds, if it holds one."""
    for option in (entry, entry.get("items", {}), *entry.get("anyOf", [])):
        if "$ref" in option:
            return schema["$defs"][option["$ref"].rpartition("/")[2]]  # type: ignore[no-any-return]
    return None


def _kinds(schema: Schema, entry: Schema) -> dict[str, Schema]:
    """The kinds of section that a list holds, where each says its own."""
    forms = [schema["$defs"][one["$ref"].rpartition("/")[2]] for one in entry.get("items", {}).get("oneOf", [])]
    return {form["properties"]["kind"]["const"]: form for form in forms}


def _row(schema: Schema, section: Schema, key: str, entry: Schema) -> str:
    inner = _section(schema, entry)
    told = entry.get("description", "") or (inner or {}).get("description", "")
    default = "**needed**" if key in section.get("required", []) else _default(entry, inner)
    takes = ", ".join(_forms(schema, entry)) if "oneOf" in entry else _takes(entry, inner)
    if kinds := _kinds(schema, entry):
        takes = f"a list of sections, each of a `kind`: {', '.join(f'`{kind}`' for kind in kinds)}"
    cells = [f"`{key}`", takes, default, told]
    return f"| {' | '.join(' '.join(cell.split()).replace('|', chr(92) + '|') for cell in cells)} |"


def _forms(schema: Schema, entry: Schema) -> Iterator[str]:
    """The forms of a key that takes one of several: names, and mappings of one key."""
    for option in entry["oneOf"]:
        if "$ref" not in option:
            yield _takes(option, None)
            continue
        own = schema["$defs"][option["$ref"].rpartition("/")[2]]
        yield from (f"`{{{name}: …}}`" for name in own["properties"])


def _default(entry: Schema, inner: Schema | None) -> str:
    if inner:
        return "`null`" if entry.get("default", inner) is None else ""
    return _value(entry.get("default"))


def _takes(entry: Schema, inner: Schema | None) -> str:
    """In words, what may stand there."""
    if inner:
        several, off = entry.get("type") == "array", any(one.get("type") == "null" for one in entry.get("anyOf", []))
        return "a list of sections" if several else "a section, or `null`" if off else "a section"
    if "anyOf" in entry:
        return " or ".join(_takes(one, None) for one in entry["anyOf"] if one.get("type") != "null")
    if "const" in entry:
        return f"`{entry['const']}`"
    if "enum" in entry:
        return ", ".join(f"`{value}`" for value in entry["enum"])
    kind = entry.get("type")
    if kind == "array":
        inside = entry.get("items") or next(iter(entry.get("prefixItems", [])), {})
        return f"a list of {_takes(inside, None)}".replace("number", "numbers", 1) if inside else "a list"
    if kind == "object":
        values = entry.get("additionalProperties")
        return f"names with {_takes(values, None)}" if isinstance(values, dict) else "names with values"
    words = {"string": "text", "boolean": "`true`, `false`", "integer": "whole number"}
    return f"{words.get(str(kind), kind)}{_limits(entry)}"


def _limits(entry: Schema) -> str:
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    said = [f"{sign} {entry[name]:g}" for name, sign in signs.items() if name in entry and entry[name] < 2**53]
    return f" {', '.join(said)}" if said else ""


def _value(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, (list, dict)):
        return f"`{value}`".replace("'", "") if value else "none"
    return f"`{value}`" if value != "" else "–"


def rules() -> dict[str, list[Rule]]:
    """Stage → the rules of its suite, with the default tolerances."""
    config = parse_config(_SMALLEST)
    return {stage: suite(config) for stage, suite in SUITES.items()}


def checks() -> str:
    """A table of all rules."""
    rows = []
    for stage, suite in rules().items():
        rows.append(f"| **{stage}** | | |")
        rows += [f"| [{rule.name}](#{stage}-{rule.name}) | {rule.says} | {_effect(rule)} |" for rule in suite]
    return "\n".join(["| check | what must be so | if not |", "| --- | --- | --- |", *rows, ""])


def rule_sentence(stage: str, name: str) -> str:
    """One rule, for the text below it."""
    (rule,) = (rule for rule in rules()[stage] if rule.name == name)
    return f"*{rule.says[0].upper()}{rule.says[1:]}.* If not: {_effect(rule)}."


def _effect(rule: Rule) -> str:
    return "stops the run" if rule.severity == "error" else "warns"


def commands() -> str:
    """The help of every command."""
    context = click.Context(main, info_name="brev-pipeline")
    parts = []
    for name, command in sorted(main.commands.items()):
        own = click.Context(command, info_name=name, parent=context)
        parts.append(f"## {name}\n\n```text\n{command.get_help(own)}\n```\n")
    return "\n".join(parts)


def own_checks() -> str:
    """The example of a user's own check, as it is tested."""
    code = (Path(__file__).resolve().parents[1] / "examples/own_checks.py").read_text(encoding="utf-8")
    return f"```python\n{code.partition('import dagster')[1]}{code.partition('import dagster')[2]}```\n"


GENERATED: dict[str, Callable[[], str]] = {
    "configuration": configuration,
    "checks": checks,
    "commands": commands,
    "own_checks": own_checks,
}
