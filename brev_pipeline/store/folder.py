"""A folder in which nothing is ever overwritten, on a local disk or on S3.

Every file appears whole or not at all: locally it is written without a name, flushed and linked; on
S3 an object becomes visible when its upload ends. `Folder.create_file` makes a file only if there is none (hard
link locally, ``If-None-Match: *`` on S3), which is what publications rest on.
"""

import contextlib
import errno
import os
import shutil
import stat
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import IO, Any, ClassVar, cast

from brev_pipeline.errors import StoreError
from brev_pipeline.storage.storage_errors import translating_errors

TEMPORARY_PREFIX = ".tmp-"
_WRITER = "writer"  # metadata of an object: a token of the call that wrote it


@dataclass(frozen=True)
class Folder:
    """A folder of the store; cheap to make, picklable, holds no connection until it is used.

    Args:
        url: absolute local path, or ``s3://bucket/prefix``.
        options: keyword arguments of the fsspec filesystem, without credentials.
    """

    url: str
    options: dict[str, Any] = field(default_factory=dict, hash=False)
    # A pipe without a writer does not hold up who opens it; a terminal does not take over the process.
    open_flags: ClassVar[int] = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
    """With which local files are opened."""

    def __getstate__(self) -> dict[str, Any]:
        return {"url": self.url, "options": self.options}

    def __truediv__(self, name: str) -> "Folder":
        return Folder(f"{self.url.rstrip('/')}/{name}", self.options)

    @property
    def is_local(self) -> bool:
        """Whether this is a folder of this machine's file system."""
        return "://" not in self.url

    def file_url(self, name: str) -> str:
        """Address of a file in this folder, for messages and readers."""
        return f"{self.url.rstrip('/')}/{name}"

    def write(self, name: str, data: bytes) -> None:
        """Write a file. One that is there already is kept: its name stands for its content.

        Raises:
            StoreError: the store cannot be written (full, read-only, no permission).
        """
        if not self.exists(name):
            self.create_file(name, data, exist_ok=True)

    def create_file(self, name: str, data: bytes, *, exist_ok: bool = False) -> bool:
        """Write a file if there is none of this name; of two writers at once exactly one succeeds.

        Returns:
            Whether this call wrote the file.

        Raises:
            FileExistsError: there is one already and ``exist_ok`` is false.
            StoreError: the store cannot be written.
        """
        path = self.file_url(name)
        try:
            with translating_errors(path, "written"):
                if self.is_local:
                    _create_local(path, data)
                else:
                    self._create_remote(path, data)
        except FileExistsError:
            if exist_ok:
                return False
            raise
        return True

    def _create_remote(self, path: str, data: bytes) -> None:
        token = uuid.uuid4().hex
        try:
            self._fs.pipe_file(path, data, mode="create", Metadata={_WRITER: token})
        except OSError as error:
            # s3fs has a name for "If-None-Match was not met" (412) only where the server explains itself.
            answer = getattr(error.__cause__, "response", None) or {}
            status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode")
            if not isinstance(error, FileExistsError) and status != 412:
                raise
            # By ourselves, if the answer to a first try was lost and the second met what that had written.
            if self._fs.metadata(path).get(_WRITER) != token:
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path) from error

    def read(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        """Read a file, or ``length`` bytes of it from ``offset``.

        Raises:
            StoreError: there is no such file, it cannot be read, or it is shorter than that.
        """
        path = self.file_url(name)
        with translating_errors(path, "read"):
            if self.is_local:
                with self._open_local(path) as file:
                    file.seek(offset)
                    data = file.read(-1 if length is None else length)
            else:
                end = None if length is None else offset + length
                data = self._fs.cat_file(path, start=offset or None, end=end)
        if length is not None and len(data) != length:
            raise StoreError(
                f"{path} was cut short: {length} bytes at {offset} were recorded, {len(data)} are there; restore the "
                "file"
            )
        return bytes(data)

    @contextlib.contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        """A file, to read here and there in it. Raises `StoreError`, also for what goes wrong while it is open."""
        path = self.file_url(name)
        # Without a cache each read is a request of its own; Parquet's reader asks for whole columns at once.
        with (
            translating_errors(path, "read"),
            self._open_local(path) if self.is_local else self._fs.open(path, "rb", cache_type="none") as file,
        ):
            yield file

    def _open_local(self, path: str) -> IO[bytes]:
        """A regular file; whatever else stands there is refused before anything of it is read."""
        descriptor = os.open(path, self.open_flags)
        try:
            mode = os.fstat(descriptor).st_mode
            if stat.S_ISDIR(mode):
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
            if not stat.S_ISREG(mode):
                raise StoreError(f"{path} is a pipe or a device, and no file; remove it")
            return cast("IO[bytes]", os.fdopen(descriptor, "rb"))
        except BaseException:
            os.close(descriptor)
            raise

    def exists(self, name: str) -> bool:
        """Whether there is a file or folder of this name. Raises `StoreError` where the store cannot be asked."""
        path = self.file_url(name)
        with translating_errors(path, "read"):
            return os.path.exists(path) if self.is_local else bool(self._fs.exists(path))

    def file_size(self, name: str) -> int:
        """Bytes of a file. Raises `StoreError` where there is none."""
        path = self.file_url(name)
        with translating_errors(path, "read"):
            return os.path.getsize(path) if self.is_local else int(self._fs.size(path))

    def file_state(self, name: str) -> tuple[object, ...] | None:
        """What changes when a file does: of local ones see `stat_state`, in a bucket entity tag, time and size.

        None where the store tells no entity tag. Raises `StoreError` where there is no such file.
        """
        path = self.file_url(name)
        with translating_errors(path, "read"):
            if self.is_local:
                return stat_state(os.stat(path))
            # Not from a listing that is remembered.
            facts = self._fs.info(path, refresh=True)
        return (facts["ETag"], str(facts.get("LastModified")), facts["size"]) if facts.get("ETag") else None

    def list_names(self) -> list[str]:
        """Names of the files and folders directly in here, sorted; empty where the folder does not exist."""
        with translating_errors(self.url, "listed"):
            try:
                if self.is_local:
                    names = os.listdir(self.url)
                else:
                    self._fs.invalidate_cache()
                    names = [entry.rstrip("/").rpartition("/")[2] for entry in self._fs.ls(self.url, detail=False)]
            except FileNotFoundError:
                return []
        return sorted(name for name in names if name and not name.startswith(TEMPORARY_PREFIX))

    def walk(self) -> Iterator[str]:
        """Names of all files below this folder, with ``/`` between the parts, sorted within each folder."""
        if self.is_local:
            for folder, folders, files in os.walk(self.url):
                folders.sort()
                for name in sorted(files):
                    if not name.startswith(TEMPORARY_PREFIX):
                        yield os.path.relpath(os.path.join(folder, name), self.url).replace(os.sep, "/")
        else:
            root = self._fs._strip_protocol(self.url).rstrip("/") + "/"
            with translating_errors(self.url, "listed"):
                self._fs.invalidate_cache()
                files = sorted(self._fs.find(self.url))
            yield from (file.removeprefix(root) for file in files)

    def link_file(self, name: str, target: "Folder", new_name: str) -> None:
        """Give a file a second name: a hard link locally, a server-side copy on S3; kept if it is there already.

        Raises:
            StoreError: the store cannot be written.
        """
        source, path = self.file_url(name), target.file_url(new_name)
        with translating_errors(path, "written"):
            if not self.is_local:
                if not target.exists(new_name):
                    self._fs.cp_file(source, path)
                return
            _make_folder(os.path.dirname(path))
            # A name stands for its content, so one that is there is the same file.
            with contextlib.suppress(FileExistsError):
                os.link(source, path)

    def remove(self, name: str) -> None:
        """Remove a file or a whole folder that was never published; nothing happens where there is none."""
        path = self.file_url(name)
        with translating_errors(path, "removed"):
            if not self.is_local:
                if self._fs.exists(path):
                    self._fs.rm(path, recursive=True)
            elif os.path.isdir(path):
                shutil.rmtree(path)
            elif os.path.exists(path):
                os.unlink(path)

    @cached_property
    def _fs(self) -> Any:
        import fsspec

        return fsspec.filesystem(self.url.partition("://")[0], **self.options)


def stat_state(stat: os.stat_result) -> tuple[int, ...]:
    """What changes when a local file does: device, inode, bytes, times of content and inode in ns."""
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


def _create_local(path: str, data: bytes) -> None:
    folder = os.path.dirname(path)
    _make_folder(folder)
    try:
        # A file without a name: a kill cannot leave it behind, not even in the folder of a published version.
        handle = os.open(folder, os.O_WRONLY | os.O_TMPFILE, 0o666)
    except (OSError, AttributeError):
        handle = None  # neither every file system nor every system has them; whatever else is wrong shows again
    if handle is not None:
        with os.fdopen(handle, "wb") as file:
            _write_through(file, data)
            # A link fails where the name is taken; a rename would replace it. The descriptor has the C library follow
            # the link of /proc; it is of no other use.
            os.link(f"/proc/self/fd/{handle}", path, src_dir_fd=handle)
        return
    temporary = os.path.join(folder, f"{TEMPORARY_PREFIX}{uuid.uuid4().hex}")
    try:
        with open(temporary, "xb") as file:
            _write_through(file, data)
        os.link(temporary, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)


def _write_through(file: IO[bytes], data: bytes) -> None:
    file.write(data)
    file.flush()
    # Before it gets its name: after a power cut a name must not stand for half a file.
    os.fsync(file.fileno())


def _make_folder(folder: str) -> None:
    try:
        os.makedirs(folder, exist_ok=True)
    except FileExistsError as error:
        # Not to be mistaken for "the file is there already".
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), folder) from error
