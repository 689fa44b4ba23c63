"""What the tests let workers do. Workers import this module, so it imports little itself."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from brev_pipeline.errors import BrevPipelineError, DecodeError


def square(number):
    return number * number


def process_of(_):
    return os.getpid()


def add(offset, number):
    return offset + number


def wait_for(file):
    """Ends when the file is there; an empty name waits for nothing."""
    while file and not Path(file).exists():
        time.sleep(0.005)
    return file


def wait_and_tell(files):
    """Says who runs (first file), then waits for the second file."""
    tell, until = files
    Path(tell).write_text(str(os.getpid()))
    return wait_for(until)


def sleep(seconds):
    time.sleep(seconds)
    return seconds


def log_and_square(log, number):
    with open(log, "a") as file:
        file.write(f"{number}\n")
    return square(number)


class CountsLoads:
    """A function that knows how often its process has unpickled it."""

    loads = 0

    def __call__(self, _):
        return os.getpid(), CountsLoads.loads

    def __getstate__(self):
        return {"some": "state"}

    def __setstate__(self, state):
        CountsLoads.loads += 1


# Deaths


def die(how):
    """Ends its process: by a signal (positive), by an exit status (negative), or not at all (0)."""
    if how > 0:
        os.kill(os.getpid(), how)
        time.sleep(60)
    if how < 0:
        os._exit(-how)
    return how


def die_once(marker):
    """Kills its process when it runs for the first time; says by file who died, returns who survived."""
    if not Path(marker).exists():
        Path(marker).write_text(str(os.getpid()))
        os.kill(os.getpid(), signal.SIGKILL)
    return os.getpid()


def crash(_):
    """Makes the interpreter crash as a broken C library would."""
    import ctypes

    ctypes.string_at(0)


def die_and_leave_a_heir(file):
    """Dies while a child of its own still holds all its file descriptors open."""
    heir = os.fork()
    if heir == 0:
        time.sleep(60)
        os._exit(0)
    with open(file, "a") as heirs:
        heirs.write(f"{heir}\n")
    os.kill(os.getpid(), signal.SIGKILL)


def hang_once(marker):
    """Hangs in its first run, in spite of SIGTERM."""
    if Path(marker).exists():
        return "second run"
    Path(marker).touch()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(60)
    return "first run"


class DiesWhenLoaded:
    """A function whose import crashes the worker."""

    def __call__(self, task):
        return task

    def __reduce__(self):
        return os._exit, (7,)


# Errors


class CellError(BrevPipelineError):
    """An error with an unusual constructor, a further attribute and one that does not pickle."""

    def __init__(self, *, row, column):
        super().__init__(f"bad cell {row}:{column}")
        self.row = row
        self.column = column
        self.lock = lambda: None


class UnsendableError(Exception):
    """An error that does not pickle, whose text cannot be had either."""

    def __init__(self):
        super().__init__(lambda: None)

    def __str__(self):
        raise RuntimeError("no text")

    def __reduce__(self):
        raise RuntimeError("no pickle")


def fail(what):
    if what == "ours":
        raise DecodeError("corrupt", "the file ends in the middle of a row")
    if what == "arguments":
        raise CellError(row=3, column="label")
    if what == "local class":

        class LocalError(DecodeError):
            pass

        raise LocalError("too_large", "1 Tpx")
    if what == "nested":
        try:
            raise UnsendableError
        except UnsendableError as error:
            raise ValueError("outer") from error
    if what == "unsendable":
        raise UnsendableError
    if what == "exit":
        sys.exit("enough")
    if what == "interrupt":
        raise KeyboardInterrupt
    if what == "group":
        raise ExceptionGroup("several", [ValueError("first"), KeyError("second")])
    return what


def fail_with(error_class_and_arguments):
    cls, arguments = error_class_and_arguments
    raise cls(*arguments)


def unpicklable_result(_):
    return lambda: None


class BreaksWhenLoaded:
    def __reduce__(self):
        return int, ("not a number",)


def result_that_cannot_be_read(_):
    return BreaksWhenLoaded()


# What a worker is like


def clean_up(files):
    """Removes its temporary file when it is cut off."""
    temporary, started = files
    Path(temporary).touch()
    try:
        Path(started).touch()
        time.sleep(60)
    finally:
        Path(temporary).unlink()


def stubborn(started):
    """Swallows the request to stop."""
    while True:
        try:
            Path(started).write_text(str(os.getpid()))
            time.sleep(60)
        except BaseException:  # noqa: BLE001
            continue


def backtrack(tell):
    """Never returns from C code that holds the interpreter's lock."""
    Path(tell).write_text(str(os.getpid()))
    re.match("(a+)+$", "a" * 60 + "b")


def modules_loaded(_):
    return sorted(sys.modules)


def main_script(_):
    return getattr(sys.modules["__main__"], "__file__", None)


def threads_after_image_work(_):
    """What OpenCV says, and how many threads the process has after work that OpenCV would share out."""
    import cv2
    import numpy as np

    image = np.zeros((1000, 1000, 3), np.uint8)
    cv2.warpAffine(image, np.eye(2, 3), (1000, 1000))
    image.astype(np.float64)[:, :, 0] @ image.astype(np.float64)[:, :, 1]
    return cv2.getNumThreads(), [
        Path(f"/proc/self/task/{task}/comm").read_text() for task in os.listdir("/proc/self/task")
    ]


def worker_facts(_):
    """Where a worker of a cluster has things from."""
    import cv2

    import brev_pipeline

    return {"opencv threads": cv2.getNumThreads(), "package": brev_pipeline.__file__, "environment": sorted(os.environ)}


def environment(_):
    return os.getcwd(), list(sys.path), sys.stdin.read()


def double(array):
    array *= 2
    return array


def speak(text):
    print(text)
    subprocess.run(["/bin/echo", text.upper()], check=True)
    return text


def import_path_module(module):
    return __import__(module).VALUE
