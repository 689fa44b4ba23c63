"""Text on its way to the page: nothing secret, nothing invisible.

Names of classes, folders, files and buckets are whatever somebody wrote. Jinja escapes them; here they lose what
escaping leaves: passwords and tokens inside addresses, and characters that would make a reader see another text than
the one that is there.
"""

import re
from collections.abc import Iterable
from typing import Any, Final

from markupsafe import Markup

_URL: Final = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*://)([^\s\"'<>]*)")
_ACCESS_KEY: Final = re.compile(r"\b(AKIA|ASIA)[0-9A-Z]{16}\b")
# Controls, those that turn the direction of the text around them, and halves of characters (names that are no UTF-8).
_UNSEEN: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")
_LONGEST: Final = 180  # characters of a name
CUT: Final = "…"  # stands where something was taken out


def clean_value(value: Any) -> Any:
    """A value as the page may show it: markup and numbers as they are, None as nothing, texts without secrets."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return "" if value is None else value
    return escape_invisible(strip_secrets(value))


def strip_secrets(text: str) -> str:
    """Text whose addresses have no user, password, query or fragment, and that names no access key of AWS."""
    if "://" in text:
        text = _URL.sub(lambda found: found[1] + _strip_address(found[2]), text)
    return _ACCESS_KEY.sub(lambda found: found[1] + CUT, text)


def escape_invisible(text: str) -> str:
    r"""Text in which controls and marks of direction are written out, as ``\u202e``."""
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _strip_address(rest: str) -> str:
    """An address behind its scheme without user information, query and fragment."""
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    login, at, _ = authority.partition("@")
    _, colon, password = login.partition(":")
    if colon and "@" in rest and not login.startswith("[") and (at or not password.isdigit()):
        # A password may hold any sign, a slash and an @ too: better to lose more of the address than less.
        rest = rest[rest.rindex("@") + 1 :]
    elif at:
        rest = rest[authority.rindex("@") + 1 :]
    place, mark, _ = min((rest.partition(mark) for mark in "?#"), key=lambda parts: len(parts[0]))
    return place + (mark and mark + CUT)


def shorten_name(name: str) -> str:
    """A name as it is; one that would fill the page with its middle cut out and its length told."""
    if len(name) <= _LONGEST:
        return name
    return f"{name[: _LONGEST // 2]}{CUT}{name[-_LONGEST // 4 :]} ({len(name):,} characters)"


def format_number(value: float) -> str:
    """12,345 or 0.0123."""
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"


def format_percent(value: float) -> str:
    """12.3%; what is not nothing is never shown as 0.0%, what is not all never as 100.0%."""
    if 0 < value < 0.0005:
        return "< 0.1%"
    if 0.9995 <= value < 1:
        return "> 99.9%"
    return f"{value:.1%}".replace(".0%", "%")


def format_size(count: float) -> str:
    """Bytes for people: 230 kB."""
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if count < 1000 or unit == "TB":
            break
        count /= 1000
    return f"{count:,.0f} {unit}" if unit == "bytes" or count >= 100 else f"{count:,.1f} {unit}"


def count_noun(count: int, one: str, many: str | None = None) -> str:
    """1 image, 2 images, no images."""
    return f"{count:,} {one}" if count == 1 else f"{f'{count:,}' if count else 'no'} {many or one + 's'}"


def order_names(names: Iterable[str], known: Iterable[str]) -> list[str]:
    """The known ones of some names in their known order, then the others sorted."""
    rest = set(names)
    first = [name for name in known if name in rest]
    return first + sorted(rest.difference(first))


def join_words(parts: list[str], most: int = 6) -> str:
    """``a, b and c``; where there are more than ``most``, the first of them and how many more."""
    if len(parts) > most:
        parts = [*parts[:most], f"{len(parts) - most:,} more"]
    return " and ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]]))
