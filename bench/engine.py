"""What an engine costs by itself: starting, a task, a large result, memory.

Compares `LocalEngine` with `concurrent.futures.ProcessPoolExecutor` (spawned workers, its own `map`, which takes
all tasks at once) in one run, taking turns; each figure is the median of the rounds. Run it from the repository:

    python bench/engine.py [--rounds 5]
"""

import argparse
import multiprocessing
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(1, str(Path(__file__).resolve().parents[1]))

import engine_tasks

from brev_pipeline.engine import LocalEngine

Results = Iterator[Any]
EMPTY_TASKS = 1000
LARGE = 50_000_000  # bytes
LARGE_RESULTS = 12


def local(workers: int, function: Callable[[Any], Any], tasks: list[Any]) -> Results:
    return (result for _, result in LocalEngine(workers).map(function, tasks))


def futures(workers: int, function: Callable[[Any], Any], tasks: list[Any]) -> Results:
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(function, tasks)


ENGINES = {"ProcessPoolExecutor": futures, "LocalEngine": local}


def cpu_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def empty_tasks(run: Callable[..., Results], workers: int) -> dict[str, float]:
    began, cpu = time.perf_counter(), cpu_seconds()
    results = run(workers, engine_tasks.nothing, list(range(EMPTY_TASKS)))
    next(results)
    first = time.perf_counter()
    # The second worker may start a little later than the first: the first tenth is not counted.
    for _ in range(EMPTY_TASKS // 10):
        next(results)
    warm = time.perf_counter()
    for _ in range(EMPTY_TASKS - EMPTY_TASKS // 10 - 1):
        next(results)
    last = time.perf_counter()
    list(results)
    return {
        "first result, ms": (first - began) * 1e3,
        "empty task, us": (last - warm) / (EMPTY_TASKS * 0.9) * 1e6,
        "to end, ms": (time.perf_counter() - last) * 1e3,
        "1000 empty tasks in all, ms": (time.perf_counter() - began) * 1e3,
        "the same, CPU-ms": (cpu_seconds() - cpu) * 1e3,
    }


def large_results(run: Callable[..., Results], workers: int) -> dict[str, float]:
    results = run(workers, engine_tasks.array, [LARGE] * (LARGE_RESULTS + workers))
    for _ in range(workers):
        next(results)
    began = time.perf_counter()
    for _ in range(LARGE_RESULTS):
        next(results)
    seconds = time.perf_counter() - began
    list(results)
    return {"50 MB arrays, MB/s": LARGE_RESULTS * LARGE / 1e6 / seconds}


def memory(run: Callable[..., Results], workers: int) -> dict[str, float]:
    began = time.perf_counter()
    results = run(workers, engine_tasks.image_megabytes, [128])
    image = next(results)
    seconds = time.perf_counter() - began
    list(results)
    (bare,) = run(workers, engine_tasks.own_megabytes, [0])
    return {"worker, MB": bare, "worker with OpenCV, MB": image, "first result with OpenCV, ms": seconds * 1e3}


def scaling(run: Callable[..., Results], workers: int) -> dict[str, float]:
    results = run(workers, engine_tasks.burn, [5.0] * 220)
    for _ in range(20):
        next(results)
    began = time.perf_counter()
    for _ in range(200):
        next(results)
    seconds = time.perf_counter() - began
    list(results)
    return {"tasks of 5 CPU-ms, per s": 200 / seconds}


def measure(rounds: int, workers: int) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, list[float]]] = {engine: {} for engine in ENGINES}
    for _ in range(rounds):
        for engine, run in ENGINES.items():
            for part in (empty_tasks, large_results, memory, scaling):
                for figure, value in part(run, workers).items():
                    found[engine].setdefault(figure, []).append(value)
    return {
        engine: {figure: statistics.median(values) for figure, values in figures.items()}
        for engine, figures in found.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    first, *others = ENGINES
    for workers in (1, 2):
        medians = measure(rounds, workers)
        print(
            f"\n{f'{workers} worker(s), {rounds} rounds':32}", *(f"{engine:>20}" for engine in ENGINES), f"{'ratio':>7}"
        )
        for figure, base in medians[first].items():
            values = [medians[engine][figure] for engine in others]
            print(
                f"{figure:32}", *(f"{value:20.1f}" for value in [base, *values]), *(f"{v / base:7.2f}" for v in values)
            )


if __name__ == "__main__":
    main()
