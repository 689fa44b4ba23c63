"""Broken variants of a good YAML text: made by a seed, so that one that fails can be made again."""

import random
from collections.abc import Callable

SECRET = "hunter2"
SCRAPS = (
    *(
        "\0",
        "\t",
        "&a ",
        "*a",
        "<<: *a\n",
        "!!int ",
        "!!python/object:os.system ",
        "[",
        "{",
        "]",
        "}",
        "- ",
        "? ",
        ": ",
    ),
    *("\n---\n", "...\n", "%YAML 9.9\n", "|\n", ">\n", "'", '"', '"\\ud800"', '"\\0"', "2026-11-31", "1:60:99", "<<: "),
    *("0x" + "f" * 300, "9" * 5000, ".nan", "-.inf", "1.0e+999", "~", "null", "yes", "=", "<<", "=: ", "\ufeff", "\r"),
    *("\u2028", "\x85", "é", "🙂", "name: demo\n", "*nowhere", "&x [*x]", "[" * 3000, "{a: " * 200, "- " * 300),
    *(f"https://u:{SECRET}@h/", f"https://h/?X-Amz-Signature={SECRET}", "((((", "'" + "(" * 3000 + "'", "#"),
    *("{path:>99999999}", "'{path.x}'", "2026-02-30T99:99:99"),
    "a: &a [b,b,b,b,b,b,b,b]\n"
    + "".join(f"{two}: &{two} [{','.join(['*' + one] * 8)}]\n" for one, two in ("ab", "bc", "cd", "de", "ef")),
)


def mutate(text: str, seed: int) -> str:
    """One to four mutations of a text."""
    rng = random.Random(seed)
    for _ in range(rng.randint(1, 4)):
        text = rng.choice(_MUTATIONS)(text, rng)
    return text


def _insert(text: str, rng: random.Random) -> str:
    at = rng.randrange(len(text) + 1)
    return text[:at] + rng.choice(SCRAPS) + text[at:]


def _delete(text: str, rng: random.Random) -> str:
    at = rng.randrange(len(text) + 1)
    return text[:at] + text[at + rng.randint(1, 20) :]


def _replace_letter(text: str, rng: random.Random) -> str:
    at = rng.randrange(len(text) + 1)
    letter = rng.choice([rng.randrange(256), rng.randrange(0x3000), rng.randrange(0xE000, 0x110000)])
    return text[:at] + chr(letter) + text[at + 1 :]


def _on_lines(change: Callable[[list[str], int, random.Random], None]) -> Callable[[str, random.Random], str]:
    def mutated(text: str, rng: random.Random) -> str:
        lines = text.splitlines(keepends=True) or ["\n"]
        change(lines, rng.randrange(len(lines)), rng)
        return "".join(lines)

    return mutated


def _repeat(lines: list[str], number: int, rng: random.Random) -> None:
    lines.insert(rng.randrange(len(lines) + 1), lines[number])


def _indent(lines: list[str], number: int, rng: random.Random) -> None:
    lines[number] = " " * rng.randint(0, 6) + lines[number].lstrip()


def _replace_value(lines: list[str], number: int, rng: random.Random) -> None:
    lines[number] = f"{lines[number].partition(':')[0]}: {rng.choice(SCRAPS)}\n"


def _shuffle(lines: list[str], _: int, rng: random.Random) -> None:
    rng.shuffle(lines)


_MUTATIONS = (
    *(_insert, _delete, _replace_letter),
    *map(_on_lines, (_repeat, _indent, _replace_value, _replace_value, _shuffle)),
)
