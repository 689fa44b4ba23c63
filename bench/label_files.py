"""What reading label files costs: boxes of one COCO file joined to photos, then the hash of each photo's labels.

    python bench/label_files.py --file FILE [--boxes 1000000] [--photos 100000]

A made-up file as COCO writes them, drawn once and kept. CPU seconds of this process: at most 5 for a million boxes. The
memory is what reading took above the file's bytes and the list of photos; that of a call which draws the file first is
too small, since drawing took some of it already.
"""

import argparse
import json
import random
import resource
import sys
import time
from pathlib import Path

sys.path.insert(1, str(Path(__file__).resolve().parents[1]))

import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.config import DatasetSettings
from brev_pipeline.labels.identity import build_label_ids
from brev_pipeline.labels.read import read_labels
from brev_pipeline.texts import TEXT

CLASSES = 80


def peak_memory() -> float:
    """Of this process so far, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def write_coco(photos: int, boxes: int) -> bytes:
    """A COCO file of so many boxes, spread over the photos at random; written piece by piece to need little memory."""
    rng = random.Random(0)
    images = ",".join(
        json.dumps({"id": n, "file_name": f"{n:012d}.jpg", "width": 640, "height": 480}) for n in range(photos)
    )
    categories = ",".join(json.dumps({"id": n, "name": f"class {n}"}) for n in range(CLASSES))
    annotations = ",".join(
        f'{{"id": {n}, "image_id": {rng.randrange(photos)}, "category_id": {rng.randrange(CLASSES)}, "iscrowd": 0, '
        f'"segmentation": [], "area": 1.5, "bbox": [{rng.random() * 500:.2f}, {rng.random() * 400:.2f}, '
        f"{rng.random() * 99 + 1:.2f}, {rng.random() * 70 + 1:.2f}]}}"
        for n in range(boxes)
    )
    return f'{{"images": [{images}], "annotations": [{annotations}], "categories": [{categories}]}}'.encode()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--boxes", type=int, default=1_000_000)
    parser.add_argument("--photos", type=int, default=100_000)
    parser.add_argument("--file", type=Path, required=True, help="COCO file: read if it is there, else drawn")
    args = parser.parse_args()
    if not args.file.exists():
        args.file.write_bytes(write_coco(args.photos, args.boxes))
    data = args.file.read_bytes()
    keys = [f"photos/{n:012d}.jpg" for n in range(args.photos)]
    photos = pa.table({"key": pa.array(keys, TEXT)})
    objects = pa.table({"key": pa.array(["coco.json", *keys], TEXT), "size": pa.array([len(data)] * (1 + len(keys)))})
    dataset = DatasetSettings.model_validate(
        {"name": "bench", "id": "bench", "bucket": "bench", "labels": [{"kind": "coco", "file": "coco.json"}]}
    )
    before, began = peak_memory(), time.process_time()
    labels = read_labels(dataset, photos, objects, lambda _: iter([("coco.json", data)]))
    read, peak = time.process_time() - began, peak_memory()
    began = time.process_time()
    ids = build_label_ids(labels.rows)
    hashed = time.process_time() - began
    joined = pc.sum(pc.list_value_length(labels.rows["objects"])).as_py()
    told = {"boxes": joined, "photos": len(ids), "file_mb": round(len(data) / 1e6, 1), "read_cpu_s": round(read, 2)}
    print(json.dumps(told | {"more_memory_mb": round(peak - before), "label_id_cpu_s": round(hashed, 2)}))


if __name__ == "__main__":
    main()
