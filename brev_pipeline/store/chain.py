"""What the store's hash-chained logs have in common: names of entries, where a chain begins, and who wrote."""

import getpass
from typing import Final

FIRST_PARENT: Final = "0" * 64
"""What the first entry of a log carries in place of the hash of the one before it."""


def entry_name(number: int) -> str:
    """File name of an entry, by its number from 1: at least eight digits, so that names sort as numbers do."""
    return f"{number:08d}.json"


def account() -> str:
    """The account that this process works under; ``"unknown"`` where that has no name."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        # A container may run under a number that has no name.
        return "unknown"
