"""A cell of the matrix: one generated file, what stands in it, and who wrote it."""

import subprocess
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

HEIGHT, WIDTH = 23, 37
"""Odd, so that rows end within a byte and tiles and blocks reach beyond the image."""


@dataclass(frozen=True, eq=False)
class Cell:
    """One file."""

    name: str
    """Format and properties, for example ``"tiff rgb 16 planar big-endian lzw predictor"``."""
    data: bytes
    samples: npt.NDArray[np.integer]
    """(height, width, 1..4) as they were given to the writer, 0 black: grey, grey and alpha, RGB, RGBA."""
    white: int | tuple[int, ...]
    writer: str
    ours: frozenset[str] = frozenset()
    """Libraries by which we decode it, of those that the readers stand on."""
    tolerance: int = 0
    """By how much our pixels may differ from those of the samples, or of a lossy file from another decoder's."""
    lossy: bool = False
    """Whether the file holds something near the samples only."""
    premultiplied: bool = False
    inks: bool = False
    """Whether the samples are cyan, magenta, yellow, black, 255 full."""

    @property
    def format(self):
        return self.name.split()[0]

    @property
    def relatives(self):
        """Libraries that do not judge this cell."""
        return self.ours | {self.writer}


def scene(channels, white, seed):
    """Ramps and noise over 0..white, both ends included, every low bit in use; another one for each seed."""
    random = np.random.default_rng(zlib.crc32(seed.encode()))
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    planes = []
    for channel in range(channels):
        ramp = ((channel % 2 + 1) * rows / HEIGHT + (3 - channel % 3) * columns / WIDTH) / 5
        noise = random.integers(-(white // 9) - 1, white // 9 + 2, (HEIGHT, WIDTH))
        planes.append(np.clip(np.rint(ramp * 1.2 * white) + noise, 0, white))
    samples = np.stack(planes, axis=2).astype(np.uint8 if white < 256 else np.uint16)
    samples[0, 0], samples[-1, -1] = 0, white
    return samples


def smooth(channels, white, seed):
    """A scene for lossy files, in which neighbours are alike."""
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    waves = [np.sin(rows / (9 + channel) + columns / (11 - channel) + len(seed)) for channel in range(channels)]
    return np.rint((np.stack(waves, axis=2) + 1) / 2 * white).astype(np.uint8 if white < 256 else np.uint16)


def tool(*command, data=b"", files=None):
    """What a program writes on its standard output, or into ``out.…`` among its arguments."""
    with tempfile.TemporaryDirectory() as folder:
        for name, content in (files or {}).items():
            (Path(folder) / name).write_bytes(content)
        done = subprocess.run(command, input=data, capture_output=True, cwd=folder)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr.decode()}")
        out = [name for name in command if name.startswith("out.")]
        return (Path(folder) / out[0]).read_bytes() if out else done.stdout


def imagemagick(samples, white, *arguments):
    """A file that ImageMagick writes of samples: ``arguments`` end with what it writes, for example ``"tiff:-"``."""
    channels = samples.shape[2]
    kind = {1: b"GRAYSCALE", 2: b"GRAYSCALE_ALPHA", 3: b"RGB", 4: b"RGB_ALPHA"}[channels]
    head = b"P7\nWIDTH %d\nHEIGHT %d\nDEPTH %d\nMAXVAL %d\nTUPLTYPE %s\nENDHDR\n"
    body = samples.astype(">u2" if white > 255 else "u1").tobytes()
    return tool("convert", "pam:-", *arguments, data=head % (WIDTH, HEIGHT, channels, white, kind) + body)
