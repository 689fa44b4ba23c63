"""The page: Jinja's templates over the sections, escaped, and with every text made fit to be shown."""

from typing import Any

import jinja2

from brev_pipeline.report import text


def render(**content: Any) -> bytes:
    """The page as UTF-8.

    Args:
        **content: the sections by name, as `build` makes them, and ``root``, which paths are shown without.
    """
    environment = _environment()
    environment.filters["short"] = lambda path: path.removeprefix(content["root"])
    page = environment.get_template("page.html.j2").render(**content)
    return page.encode("utf-8", "backslashreplace")


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("brev_pipeline.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=text.shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "fit": text.fit,
        "number": text.number,
        "percent": text.percent,
        "size": text.size,
        "counted": text.counted,
        "joined": text.joined,
        "name": _name,
    }
    return environment


def _name(path: str) -> str:
    """Last part of a path."""
    return path.rstrip("/").rpartition("/")[2] or path
