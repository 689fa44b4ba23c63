"""Seals: a second copy of every entry of a hash-chained log, named by the entry's own hash, in a folder of its own.

A chain misses an entry that was altered or removed because the next one carries its hash. The newest entry has no
next one: its seal is what misses it. And where an entry is gone, its seal still says what stood there.
"""

import getpass
import hashlib
import re
from dataclasses import dataclass
from typing import Final

from brev_pipeline.store.folder import Folder

_NAME: Final = re.compile(r"(\d{8,})-([0-9a-f]{64})\.json")


@dataclass(frozen=True)
class WitnessLog:
    """The seals of one log, in a folder."""

    folder: Folder

    def add_witness(self, number: int, data: bytes) -> None:
        """Seal an entry that was just created: its number, and its file's bytes.

        A run that is killed before leaves an entry without a seal. Raises `StoreError` where the store cannot be
        written.
        """
        self.folder.write(f"{number:08d}-{hashlib.sha256(data).hexdigest()}.json", data)

    def repair_witness(self, number: int, data: bytes) -> None:
        """Seal an entry that was left without a seal by a run that was killed; nothing happens where it has one.

        Raises `StoreError` where the store cannot be read or written.
        """
        if not any(name.startswith(f"{number:08d}-") for name in self.folder.list_names()):
            self.add_witness(number, data)

    def read_all(self) -> tuple[dict[int, dict[str, bytes]], list[str]]:
        """Every seal, and what is wrong with them.

        Returns:
            Number → SHA-256 of the entry → its bytes; and one line for each file that is not a seal, or whose bytes
            are not those that its name says.
        """
        seals: dict[int, dict[str, bytes]] = {}
        problems = []
        for name in self.folder.list_names():
            parts = _NAME.fullmatch(name)
            if parts is None:
                problems.append(f"{self.folder.file_url(name)}: not a seal; somebody else put it there")
                continue
            data = self.folder.read(name)
            if hashlib.sha256(data).hexdigest() != parts[2]:
                problems.append(
                    f"{self.folder.file_url(name)}: altered: its bytes do not have the hash that it is named by"
                )
            seals.setdefault(int(parts[1]), {})[parts[2]] = data
        return seals, problems


FIRST_PARENT: Final = "0" * 64
"""What the first entry of a log carries in place of the hash of the one before it."""


def entry_name(number: int) -> str:
    """File name of an entry, by its number from 1: at least eight digits, so that names sort as numbers do."""
    return f"{number:08d}.json"


def account_name() -> str:
    """The account that this process works under; ``"unknown"`` where that has no name."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"  # a container may run under a number that has no name
