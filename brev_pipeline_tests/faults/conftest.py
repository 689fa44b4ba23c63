"""The nursery of runs, what undisturbed runs make, and file systems that can be filled or locked."""

import contextlib
import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from brev_pipeline_tests.faults.runs import Nursery
from brev_pipeline_tests.faults.worlds import World
from brev_pipeline_tests.once import make_once


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    """Starts runs that cost no imports."""
    with Nursery() as nursery:
        yield nursery


@dataclass(frozen=True)
class Undisturbed:
    """What nobody disturbed."""

    before: World
    """To be copied, then run."""
    after: dict[str, dict[str, str]]
    """Version → file → SHA-256, once it has been run."""


@pytest.fixture(scope="session")
def first(nursery: Nursery, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """Photos and an empty store, and what a run makes of them."""

    def make(folder: Path) -> None:
        _run(nursery, World.make(folder / "before").copy(folder / "after"))

    return _undisturbed(make_once(tmp_path_factory, "first", make))


@pytest.fixture(scope="session")
def grown(nursery: Nursery, first: Undisturbed, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """A store with one version and photos that came since, and what a run makes of them."""

    def make(folder: Path) -> None:
        before = World(first.before.folder.parent / "after").copy(folder / "before")
        before.grow()
        _run(nursery, before.copy(folder / "after"))

    return _undisturbed(make_once(tmp_path_factory, "grown", make))


def _undisturbed(folder: Path) -> Undisturbed:
    return Undisturbed(World(folder / "before"), World(folder / "after").published())


def _run(nursery: Nursery, world: World) -> None:
    run = nursery.start(*world.arguments)
    assert run.wait() == 0, run.said
    assert world.problems() == []


Mount = Callable[[str], Path]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Mount]:
    """Makes small file systems in memory: called with a size, it gives the folder."""
    if os.geteuid() != 0:
        pytest.skip("a file system of its own needs the rights of root")
    mounted: list[Path] = []

    def mount(size: str) -> Path:
        folder = tmp_path / f"disk {len(mounted)}"
        folder.mkdir()
        made = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=False)
        if made.returncode:
            pytest.skip("no tmpfs can be mounted here")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        with contextlib.suppress(subprocess.CalledProcessError):
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


def remount(folder: Path, options: str) -> None:
    """Change a mounted file system: ``size=1m``, ``ro``, ``rw``."""
    subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)
