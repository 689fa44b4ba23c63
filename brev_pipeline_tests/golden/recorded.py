"""What is recorded beside the tests of this folder, and how it is compared and written anew.

To accept an intended difference: ``GOLDEN_REWRITE=1 pytest brev_pipeline_tests/golden`` with ``-n 0``, read the
difference that git shows, and name it in the commit. With changed shard bytes no version that was ever published can be
made again: that is a new major version, and belongs under "Breaking" in the changelog.
"""

import json
import os
from pathlib import Path
from typing import Any, Final

HERE: Final = Path(__file__).parent
REWRITE: Final = os.environ.get("GOLDEN_REWRITE") == "1"


def agree(file: str, key: str, found: Any) -> None:
    """Demand that ``found``, which is JSON-safe, stands in ``file`` under ``key``; or write it there."""
    place = HERE / file
    recorded = json.loads(place.read_text(encoding="utf-8")) if place.exists() else {}
    if REWRITE:
        recorded[key] = found
        text = json.dumps(dict(sorted(recorded.items())), indent=1, ensure_ascii=False)
        place.write_text(text + "\n", encoding="utf-8")
        return
    differences = list(_differences(recorded.get(key), json.loads(json.dumps(found)), key))
    assert not differences, f"{file}:\n" + "\n".join(differences[:40])


def _differences(recorded: Any, found: Any, where: str) -> list[str]:
    """One line for each leaf that differs."""
    if isinstance(recorded, dict) and isinstance(found, dict):
        keys = dict.fromkeys([*recorded, *found])
        return [line for key in keys for line in _differences(recorded.get(key), found.get(key), f"{where} > {key}")]
    if isinstance(recorded, list) and isinstance(found, list):
        gone = [f"{where}: gone: {one}" for one in recorded if one not in found]
        new = [f"{where}: new: {one}" for one in found if one not in recorded]
        return gone + new or ([] if recorded == found else [f"{where}: another order, or other numbers of the same"])
    return [] if recorded == found else [f"{where}: recorded {recorded}, found {found}"]
