"""What an engine costs: starting, a task, a large result, memory; and how fast shards are written with it.

Compares in one run, taking turns, with 1 and with 2 workers:

* `concurrent.futures.ProcessPoolExecutor` (spawned workers, its own `map`, which takes all tasks at once),
* `LocalEngine`,
* `RayEngine` on a Ray cluster of two nodes of one CPU each on this machine, where Ray is installed.

Each figure is the median of the rounds. The shards are those of ``bench/shards.py`` (128×128 px, augmented, PNG);
their rate is counted from the moment at which every worker has finished one, so that starting does not count: how long
that takes stands beside it. Run it from the repository:

    python bench/engine.py [--rounds 5] [--records 4000] [--only shards]
"""

import argparse
import contextlib
import importlib.util
import itertools
import multiprocessing
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(1, str(Path(__file__).resolve().parents[1]))

import engine_tasks

from brev_pipeline.engine import Engine, LocalEngine, RayEngine

Results = Iterator[Any]
Run = Callable[..., Results]
EMPTY_TASKS = 1000
LARGE = 50_000_000  # bytes
LARGE_RESULTS = 12


def ours(make: Callable[[int], Engine]) -> Run:
    def run(workers: int, function: Callable[[Any], Any], tasks: list[Any]) -> Results:
        return (result for _, result in make(workers).map(function, tasks))

    return run


def futures(workers: int, function: Callable[[Any], Any], tasks: list[Any]) -> Results:
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(function, tasks)


def cpu_seconds() -> float:
    """Of this process, of those it has started, and of their descendants (a worker of Ray is a raylet's child)."""
    from brev_pipeline_tests.engine.clusters import descendants

    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used) + sum(map(_ticks, descendants(os.getpid())[1:]))


def _ticks(process: int) -> float:
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(int(one) for one in fields[11:15]) / os.sysconf("SC_CLK_TCK")


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


PARTS = {part.__name__: part for part in (empty_tasks, large_results, memory, scaling)}


class Watched:
    """An engine that notes when its results came."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.times: list[float] = []

    def map(self, function: Any, tasks: Any, **options: Any) -> Any:
        """As the engine's."""
        for result in self._engine.map(function, tasks, **options):
            self.times.append(time.perf_counter())
            yield result


class Shards:
    """Writes the same plan again and again."""

    def __init__(self, folder: Path, records: int, records_per_shard: int) -> None:
        import shards

        from brev_pipeline.config import ShardSettings

        self._settings = ShardSettings(records_per_shard=records_per_shard)
        self._tables = shards.world(folder, shards.photos())
        self._plan = shards.plan_of(*self._tables[:2], records, self._settings)
        self._write, self._folder, self._numbers = shards.write, folder, itertools.count()

    def __call__(self, engine: Engine, workers: int) -> dict[str, float]:
        """Write them; images per second once all workers are at it, and seconds until then."""
        watched, began = Watched(engine), time.perf_counter()
        out = self._folder / f"out{next(self._numbers)}"
        self._write(self._plan, *self._tables[1:], self._settings, out, watched)
        first, last = watched.times[workers - 1], watched.times[-1]
        records = self._plan.num_rows * (len(watched.times) - workers) / len(watched.times)
        return {"images/s": records / (last - first), "s to the first shards": first - began}


def _alone(records: int, barrier: Any, rates: Any) -> None:
    from brev_pipeline.engine import SerialEngine

    with tempfile.TemporaryDirectory() as folder:
        write = Shards(Path(folder), records, max(1, records // 40))
        barrier.wait()
        rates.put(write(SerialEngine(), 1)["images/s"])


def limit(workers: int, records: int) -> float:
    """What the machine gives: so many processes that know nothing of each other, each with all shards; images/s."""
    context = multiprocessing.get_context("spawn")
    barrier, rates = context.Barrier(workers), context.SimpleQueue()
    processes = [context.Process(target=_alone, args=(records, barrier, rates)) for _ in range(workers)]
    for process in processes:
        process.start()
    found = sum(rates.get() for _ in processes)
    for process in processes:
        process.join()
    return found


def of_shards(make: dict[str, Callable[[int], Engine]], rounds: int, records: int) -> None:
    found: dict[tuple[str, int], dict[str, list[float]]] = {}
    limits: dict[int, list[float]] = {1: [], 2: []}
    with tempfile.TemporaryDirectory() as folder:
        write = Shards(Path(folder), records, max(1, records // 40))
        for _, workers, engine in itertools.product(range(rounds), (1, 2), ["", *make]):
            if not engine:
                limits[workers].append(limit(workers, records))
                continue
            for figure, value in write(make[engine](workers), workers).items():
                found.setdefault((engine, workers), {}).setdefault(figure, []).append(value)
    medians = {key: {name: statistics.median(values) for name, values in one.items()} for key, one in found.items()}
    print(f"\n{f'{records} records in 40 shards, {rounds} rounds':36}{'1 worker':>12}{'2 workers':>12}{'growth':>9}")
    alone = [statistics.median(limits[workers]) for workers in (1, 2)]
    print(f"{'processes of their own, images/s':36}{alone[0]:12.1f}{alone[1]:12.1f}{alone[1] / alone[0]:9.2f}")
    for engine in make:
        for figure in medians[engine, 1]:
            one, two = medians[engine, 1][figure], medians[engine, 2][figure]
            print(
                f"{engine + ', ' + figure:36}{one:12.1f}{two:12.1f}" + (f"{two / one:9.2f}" if "/s" in figure else "")
            )
    if "RayEngine" in make:
        ratios = [medians["RayEngine", n]["images/s"] / medians["LocalEngine", n]["images/s"] for n in (1, 2)]
        print(f"{'Ray to local':36}{ratios[0]:12.2f}{ratios[1]:12.2f}")


def measure(engines: dict[str, Run], parts: list[str], rounds: int, workers: int) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, list[float]]] = {engine: {} for engine in engines}
    for _, part, (engine, run) in itertools.product(range(rounds), parts, engines.items()):
        for figure, value in PARTS[part](run, workers).items():
            found[engine].setdefault(figure, []).append(value)
    return {
        engine: {figure: statistics.median(values) for figure, values in figures.items()}
        for engine, figures in found.items()
    }


def of_tasks(engines: dict[str, Run], parts: list[str], rounds: int) -> None:
    for workers in (1, 2):
        medians = measure(engines, parts, rounds, workers)
        print(f"\n{f'{workers} worker(s), {rounds} rounds':32}" + "".join(f"{engine:>21}" for engine in engines))
        for figure in next(iter(medians.values())):
            print(f"{figure:32}" + "".join(f"{medians[engine][figure]:21.1f}" for engine in engines))


@contextlib.contextmanager
def all_engines() -> Iterator[dict[str, Callable[[int], Engine]]]:
    make: dict[str, Callable[[int], Engine]] = {"LocalEngine": LocalEngine}
    if importlib.util.find_spec("ray") is None:
        yield make
        return
    from brev_pipeline_tests.engine.clusters import Cluster

    os.environ["RAY_AUTH_MODE"] = "disabled"
    cluster = Cluster(nodes=2)
    cluster.start()
    try:
        yield make | {"RayEngine": lambda workers: RayEngine(cluster.address, workers)}
    finally:
        cluster.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--records", type=int, default=4000)
    parser.add_argument("--only", nargs="+", choices=[*PARTS, "shards"], default=[*PARTS, "shards"])
    options = parser.parse_args()
    parts = [part for part in options.only if part in PARTS]
    with all_engines() as make:
        if parts:
            engines = {"ProcessPoolExecutor": futures} | {name: ours(one) for name, one in make.items()}
            of_tasks(engines, parts, options.rounds)
        if "shards" in options.only:
            of_shards(make, options.rounds, options.records)


if __name__ == "__main__":
    main()
