"""Reading prepared labels back, for records: masks by range like pixels, objects from the rows themselves."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.images.pixel_reader import read_prepared_pixels
from brev_pipeline.labels.objects import from_rows
from brev_pipeline.record_features import PhotoLabels
from brev_pipeline.store import Folder

MASK_COLUMNS: Final = {"file": "mask_file", "offset": "mask_offset", "length": "mask_length"}
"""Column of `read_prepared_pixels` → column of the rows that says it of their mask; null where there is none."""
OBJECTS_COLUMN: Final = "prepared_objects"


@dataclass(frozen=True)
class PreparedLabels:
    """Reads prepared labels; picklable.

    Args:
        folder: the store's ``prepared`` folder.
        numbers: columns of the rows with numbers.
        texts: those with texts.
    """

    folder: Folder
    numbers: tuple[str, ...]
    texts: tuple[str, ...]

    def read(self, rows: pa.Table) -> Iterator[PhotoLabels]:
        """The labels of each row, in order: content_id, the places of prepared pixels, and, as far as there are such
        labels, `MASK_COLUMNS`, `OBJECTS_COLUMN`, and the columns of numbers and texts.

        Raises:
            StoreError: a mask cannot be read as it was prepared.
        """
        has_masks, has_objects = (name in rows.column_names for name in ("mask_file", OBJECTS_COLUMN))
        masks = self._read_masks(rows) if has_masks else iter(())
        columns = ["mask_file"] * has_masks + [OBJECTS_COLUMN] * has_objects
        for row in rows.select([*columns, *self.numbers, *self.texts]).to_pylist():
            values: dict[str, Any] = {}
            if has_masks:
                values["mask"] = None if row["mask_file"] is None else next(masks)
            if has_objects:
                objects = row[OBJECTS_COLUMN]
                values["objects"] = None if objects is None else from_rows(objects)
            numbers, texts = ({name: row[name] for name in names} for names in (self.numbers, self.texts))
            yield PhotoLabels(values, numbers, texts)

    def _read_masks(self, rows: pa.Table) -> Iterator[Any]:
        there = rows.filter(pc.is_valid(rows["mask_file"]))
        names = ["content_id", "prepared_frames", "prepared_height", "prepared_width"]
        columns = {name: there[name] for name in names} | {own: there[name] for own, name in MASK_COLUMNS.items()}
        columns["prepared_channels"] = pa.chunked_array([pa.repeat(pa.scalar(1, pa.int32()), len(there))])
        for mask in read_prepared_pixels(self.folder, pa.table(columns)):
            yield mask[..., 0]
