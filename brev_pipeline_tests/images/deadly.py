"""A decoder that does what the last bytes of a file say: it crashes, computes or waits without end, or is killed.

`install` puts it into every worker that this process starts from then on, and into theirs; not into this process.
"""

import hashlib
import os
import signal
import time
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
_HOOK = """
from brev_pipeline.images import prepare_task
from brev_pipeline_tests.images import deadly
prepare_task.decode_image = deadly.Decoder(prepare_task.decode_image)
"""


def install(monkeypatch, folder):
    """Have workers decode so; ``folder`` is for what it needs to write."""
    # Python imports this module at each start of an interpreter, before anything else.
    (folder / "sitecustomize.py").write_text(_HOOK)
    monkeypatch.setenv("PYTHONPATH", f"{folder}{os.pathsep}{REPOSITORY}")
    monkeypatch.setenv("DEADLY_FOLDER", str(folder))


def decoded(folder):
    """How many images were decoded, or tried, since `install`."""
    file = Path(folder) / "decoded"
    return len(file.read_bytes()) if file.exists() else 0


class Decoder:
    """Stands for `decode_image`."""

    def __init__(self, real):
        self._real = real

    def __call__(self, data, settings, header=None):
        folder = Path(os.environ["DEADLY_FOLDER"])
        with (folder / "decoded").open("ab", 0) as file:
            file.write(b".")
        match data[-5:]:
            case b"burns":
                # One call of C, that heeds no handler of Python's.
                hashlib.pbkdf2_hmac("sha256", b"", b"", 10**9)
            case b"waits":
                time.sleep(600)
            case b"hoard":
                raise MemoryError
            case b"once!":
                if not (folder / "died").exists():
                    (folder / "died").touch()
                    os.kill(os.getpid(), signal.SIGSEGV)
        if data[-8:].startswith(b"SIG"):
            os.kill(os.getpid(), signal.Signals[data[-8:].decode().strip()])
        return self._real(data, settings, header)
