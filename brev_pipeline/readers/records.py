"""`Records`: the records of one purpose of a version, or of several, for whatever library trains on them."""

import io
from collections.abc import Sequence
from functools import cached_property
from typing import Any, BinaryIO, Literal, TypeAlias

import pyarrow as pa

from brev_pipeline.config import StorageSettings
from brev_pipeline.errors import ReadError
from brev_pipeline.readers.purpose_records import PurposeRecords
from brev_pipeline.readers.samples import SampleReader, read_arrays
from brev_pipeline.readers.source_photos import Base, SourcePhotos
from brev_pipeline.records.schema import ImageShape
from brev_pipeline.rescaling import Rescale

Layout: TypeAlias = Literal["CHW", "HWC"]
_PAIR = ("image", "label")


class Records:
    """The records of one purpose, or of several; made by `read`.

    ``len(records)`` counts the records of all written epochs, and ``records[i]`` reads one of them: a dictionary of
    every field (`fields`). Pixels are the same whichever way they are read: uint8 (height, width, channels), RGB or
    grey, exactly as written (png, raw) or as libjpeg-turbo decodes them (jpeg).

    Args:
        contents: what there is to read.
        purpose: whose records they are; several as a list.
    """

    def __init__(self, contents: PurposeRecords, purpose: str | list[str]) -> None:
        self._contents = contents
        self.purpose = purpose

    def __repr__(self) -> str:
        epochs = f" in {self.epochs} epochs" if self.epochs > 1 else ""
        name = self._contents.manifest["pipeline"]
        whose = self.purpose if isinstance(self.purpose, str) else ", ".join(self.purpose)
        return f"<Records {name} {self.version} {whose}: {len(self)} records{epochs}>"

    def __len__(self) -> int:
        return int(self._contents.table.num_rows)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Read one record.

        Raises:
            IndexError: there is no record of this number.
            ShardError: the record is damaged.
        """
        row, samples = self._find_row(index), self._every_field
        sample: dict[str, Any] = samples.pack_sample(samples.read_fields(row, samples.stored.read_record(row)))
        return sample

    def open(
        self, index: int, *, base: Base | None = None, verify: bool = True, storage: StorageSettings | None = None
    ) -> BinaryIO:
        """The photo behind a record, as it lies in its dataset: a file to be read, in bytes.

        Args:
            index: number of the record.
            base: folder that relative datasets are meant from: that of the configuration. Needed only where the store
                does not say it: for a version that was copied out of it, for a store that was copied away from the
                photos, and for stores in buckets.
            verify: refuse bytes that are not those which the record was made of.
            storage: how to reach a bucket on S3; None: as the version's configuration says.

        Raises:
            IndexError: there is no record of this number.
            ReadError: the photo or its dataset is not there, it has other bytes, or nothing says where its dataset
                lies.
        """
        row = self._find_row(index)
        path, content_id = (self._contents.table[name][row].as_py() for name in ("path", "content_id"))
        return io.BytesIO(self._find_photos(base, storage).read_photo(path, content_id, verify=verify))

    def place(self, index: int, *, base: Base | None = None) -> str:
        """Where the photo behind a record lies: the absolute path of a file, or an ``s3://`` address.

        Args:
            index: number of the record.
            base: as in `open`.

        Raises:
            IndexError: there is no record of this number.
            ReadError: its dataset is not where it was, or nothing says where that is.
        """
        return self._find_photos(base).locate_photo(self._contents.table["path"][self._find_row(index)].as_py())

    def _find_row(self, index: int) -> int:
        if not -len(self) <= index < len(self):
            raise IndexError(f"record {index} of {len(self)}")
        return index % len(self)

    def _find_photos(self, base: Base | None, storage: StorageSettings | None = None) -> SourcePhotos:
        return SourcePhotos(self._contents.version, self._contents.manifest["configuration"], base, storage)

    @property
    def records(self) -> pa.Table:
        """The record table of these purposes: a row per record, schema `tables.TFRECORD_SHARDS`."""
        return self._contents.table

    @property
    def classes(self) -> list[str]:
        """Class names; a label is an index into them. One that has no image any more keeps its place."""
        return self._contents.class_names

    @property
    def version(self) -> str:
        """Id of the version."""
        return self._contents.version.id

    @property
    def path(self) -> str:
        """Address of the version's folder."""
        return self._contents.version.path

    @property
    def epochs(self) -> int:
        """Epochs that are written."""
        return self._contents.epoch_count

    @property
    def shape(self) -> ImageShape:
        """What is common to the shapes of the images: frames, height, width, channels."""
        return self._contents.image_shape

    @property
    def fields(self) -> tuple[str, ...]:
        """Every field of a record: those of `FIELDS` that there are, then the labels.

        Of labels: ``mask``, the class number of each pixel, uint8 ([frames,] height, width); ``mask/labelled``, 1 where
        somebody said what the photo shows; ``objects``, a dictionary of ``bbox``, float32 (objects, 4): ymin, xmin,
        ymax, xmax in 0..1, ``label``, int64 (objects,), −1 for no class, ``area``, float32 (objects,) in px², and of a
        time series ``frame``, int64 (objects,); ``target/<name>``, float32, NaN where it is not known; and
        ``text/<name>``. A part of ``objects`` may be asked for alone, as ``objects/bbox``, and their number as
        ``objects/count``. ``img`` means ``image``.
        """
        return self._contents.choose_fields(None)

    @property
    def label_classes(self) -> dict[str, list[str]]:
        """Field → class names of what it holds, by number: of ``mask`` and ``objects``, where the version has them."""
        return self._contents.make_label_fields().class_names

    def feature_spec(self) -> dict[str, Any]:
        """What ``tf.io.parse_example`` needs to read these records without this package. Imports TensorFlow."""
        return self._contents.layout.feature_spec(len(self.classes))

    def to_tf(
        self,
        batch_size: int | None = 32,
        epoch: int = 0,
        shuffle: bool = False,
        repeat: bool = False,
        rescale: Rescale = None,
        *,
        seed: int = 0,
        drop_remainder: bool = False,
        prefetch: int | None = None,
        fields: Sequence[str] | None = _PAIR,
        as_dict: bool = False,
        pad_objects: int | None = None,
    ) -> Any:
        """A ``tf.data.Dataset`` with static shapes and a known number of elements; fit for ``model.fit``.

        Each record once a pass, in written order, or shuffled: the files, and the records of a buffer of up to
        256 MB. The same seed gives the same order (TensorFlow mixes ``tf.random.set_seed`` in); iterating again, or
        repeating, gives another.

        Args:
            batch_size: records per batch; None: single records.
            epoch: the written epoch to read, or to begin with.
            shuffle: read in random order.
            repeat: go on for ever, through the written epochs in turn.
            rescale: None (uint8), ``"unit"``, ``"imagenet"`` or ``"imagenet_stats"`` (float32), see
                `rescaling.rescale_factors`.
            seed: of the shuffling.
            drop_remainder: leave out a last batch that is not full.
            prefetch: batches made ahead; None: as TensorFlow finds best.
            fields: names out of `fields`; None: all.
            as_dict: elements are dictionaries by field; else tuples in the order of ``fields``.
            pad_objects: fill up the objects of each record to so many, with label −1 and else 0, and give their
                number: ``objects/count`` (batch,), and ``count`` in ``objects``. None: they are ragged, in a batch a
                ``tf.RaggedTensor`` (batch, None, 4) or (batch, None). A record with more is an error when it is read.

        Raises:
            ReadError: there is no such epoch, field or value; or the images differ in size.
            StoreError: a file is missing or has another size than the manifest says.
        """
        from brev_pipeline.readers.to_tf import TfDecoder, make_tf_dataset

        decoder = TfDecoder(self._contents, rescale, fields, as_dict=as_dict, pad=pad_objects)
        epochs = [epoch, *((epoch + later) % self.epochs for later in range(1, self.epochs if repeat else 1))]
        return make_tf_dataset(
            self._contents,
            decoder,
            epochs,
            batch_size=batch_size,
            shuffle=shuffle,
            repeat=repeat,
            seed=seed,
            drop_remainder=drop_remainder,
            prefetch=prefetch,
        )

    def to_torch(
        self,
        epoch: int = 0,
        rescale: Rescale = None,
        *,
        fields: Sequence[str] | None = _PAIR,
        as_dict: bool = False,
        pad_objects: int | None = None,
        layout: Layout = "CHW",
        iterable: bool = False,
        shuffle: bool = False,
        seed: int = 0,
        drop_remainder: bool = False,
        rank: int | None = None,
        ranks: int | None = None,
    ) -> Any:
        """A PyTorch data set for ``torch.utils.data.DataLoader``; needs neither TensorFlow nor what wrote the records.

        By default one with random access (``len``, ``[i]``): shuffling and sharing out are the loader's. With
        ``iterable`` one that reads files from begin to end, the better choice for a store on S3: each record comes
        from exactly one worker of exactly one rank; ``set_epoch`` goes on to the next written epoch and another
        order; the order is a function of seed, epoch, and the numbers of ranks and workers.

        Args:
            epoch: the written epoch.
            rescale: None (uint8), ``"unit"``, ``"imagenet"`` or ``"imagenet_stats"`` (float32), see
                `rescaling.rescale_factors`.
            fields: names out of `fields`; None: all. Pixels, multi-hot labels, masks (([frames,] height, width)) and
                objects are tensors, numbers int or float (the seed as the int64 of the same bits), texts str.
            as_dict: samples are dictionaries by field; else tuples in the order of ``fields``.
            pad_objects: fill up the objects of each record to so many, with label −1 and else 0, and give their
                number, ``objects/count``, and ``count`` in ``objects``: so a loader can make batches of them. None:
                they have as many as there are. A record with more is an error when it is read.
            layout: of the pixels: CHW (a view; as torch's layers want them) or HWC (as stored).
            iterable: see above.
            shuffle: iterable only: read in random order, files first, then within 64 MB of records.
            seed: of the shuffling.
            drop_remainder: iterable only: leave out up to ``ranks - 1`` records, so that all ranks read as many.
            rank: iterable only: this process' rank; by default what ``torch.distributed`` or torchrun says.
            ranks: iterable only: the number of ranks.

        Raises:
            ReadError: PyTorch is not installed; there is no such epoch, field or value.
        """
        rows = self._contents.select_epoch(epoch)
        samples = self._contents.make_samples(rows, fields, rescale, as_dict=as_dict, pad=pad_objects)
        if layout not in ("CHW", "HWC"):
            raise ReadError(f"layout is 'CHW' or 'HWC', not {layout!r}")
        if not iterable and (shuffle or drop_remainder or rank is not None or ranks is not None):
            raise ReadError(
                "shuffle, drop_remainder, rank and ranks go with iterable=True; a data set with random access leaves "
                "them to torch: DataLoader(shuffle=True, drop_last=True), DistributedSampler"
            )
        if (rank is None) != (ranks is None):
            raise ReadError("give both rank and ranks, or neither")
        try:
            import torch  # noqa: F401
        except ImportError as error:
            raise ReadError(
                "to_torch needs PyTorch, which is not installed here: pip install torch (to_numpy and to_tf do without "
                "it)"
            ) from error
        from brev_pipeline.readers.torch_datasets import RecordDataset, RecordStream

        if not iterable:
            return RecordDataset(samples, layout)
        by_epoch = [
            samples
            if number == epoch
            else self._contents.make_samples(
                self._contents.select_epoch(number), fields, rescale, as_dict=as_dict, pad=pad_objects
            )
            for number in range(self.epochs)
        ]
        share = None if rank is None or ranks is None else (rank, ranks)
        return RecordStream(by_epoch, epoch, layout, seed=seed if shuffle else None, share=share, even=drop_remainder)

    def to_numpy(
        self,
        epoch: int = 0,
        rescale: Rescale = None,
        *,
        fields: Sequence[str] | None = _PAIR,
        as_dict: bool = False,
        pad_objects: int | None = None,
    ) -> Any:
        """All records of an epoch in memory: ``images, labels = records.to_numpy()``.

        Args:
            epoch: the written epoch.
            rescale: None (uint8), ``"unit"``, ``"imagenet"`` or ``"imagenet_stats"`` (float32), see
                `rescaling.rescale_factors`.
            fields: names out of `fields`; None: all.
            as_dict: give a dictionary by field; else a tuple in the order of ``fields``.
            pad_objects: fill up the objects of each record to so many, with label −1 and else 0.

        Returns:
            Images (records, height, width, channels); labels and epochs (records,) int64, seeds uint64; texts
            (records,) str; multi-hot labels (records, classes) int64; masks (records, [frames,] height, width) uint8;
            targets (records,) float32; ``objects/bbox`` and the like a list with an array for each record, or with
            ``pad_objects`` one array (records, pad_objects, …), ``objects/count`` (records,) int64, and ``objects`` a
            dictionary of these.

        Raises:
            ReadError: there is no such epoch, field or value; or the images differ in size.
            ShardError: a record is damaged.
        """
        rows = self._contents.select_epoch(epoch)
        samples = self._contents.make_samples(rows, fields, rescale, as_dict=as_dict, pad=pad_objects)
        return read_arrays(samples, self.shape, rescale)

    @cached_property
    def _every_field(self) -> SampleReader:
        return self._contents.make_samples(self._contents.table, None, None, as_dict=True)
