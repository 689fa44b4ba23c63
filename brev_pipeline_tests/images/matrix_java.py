"""Pixels of cells by the decoders of Java's ImageIO, the JDK's and TwelveMonkeys', in one virtual machine."""

import subprocess
import tempfile
from io import BytesIO
from pathlib import Path

import numpy as np

from brev_pipeline_tests.images import matrix_rule as rule

_JAVA = Path(__file__).with_name("MatrixReader.java")
_JARS = "/usr/share/java"
_PARTS = ["common-lang", "common-io", "common-image", "imageio-core", "imageio-metadata"]
_PLUGINS = ["imageio-bmp", "imageio-jpeg", "imageio-pnm", "imageio-tiff", "imageio-webp"]


def read_by_java(requests):
    """[(family, cell)] → their pixels or texts, by one virtual machine."""
    with tempfile.TemporaryDirectory() as folder:
        lines = []
        for number, (family, cell) in enumerate(requests):
            place = Path(folder) / str(number)
            place.write_bytes(cell.data)
            lines.append(f"{family}\t{cell.format}\t{place}\n")
        listing, answer = Path(folder) / "requests", Path(folder) / "answer"
        listing.write_text("".join(lines))
        jars = ":".join(f"{_JARS}/{name}.jar" for name in [*_PARTS, *_PLUGINS])
        flags = ["-Xshare:auto", "-XX:TieredStopAtLevel=1", "-Djava.awt.headless=true"]
        subprocess.run(
            ["java", *flags, "-cp", jars, str(_JAVA), str(listing), str(answer)], check=True, capture_output=True
        )
        stream = BytesIO(answer.read_bytes())
    return [_java_pixels(stream, cell) for _, cell in requests]


def _java_pixels(stream, cell):
    def numbers(kind, count):
        return np.frombuffer(stream.read(count * np.dtype(kind).itemsize), kind)

    wrong = stream.read(int(numbers(">u2", 1)[0])).decode()
    if wrong:
        return wrong
    width, height, channels = (int(value) for value in numbers(">u4", 3))
    white = numbers(">u4", channels).astype(np.int64)
    premultiplied, inks = stream.read(2)
    samples = numbers(">u2", height * width * channels).reshape(height, width, channels)
    if channels > 4:
        return f"{channels} channels"
    if inks:
        return rule.rgb_of_cmyk(rule.eight_bits(samples, white))
    if len(set(white.tolist())) == 1:
        samples, white = rule.at_depth(samples, int(white[0]), cell.white)
    return rule.rgb(samples, white, premultiplied=bool(premultiplied))
