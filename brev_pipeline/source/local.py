"""Reading a file of this machine, with the reason in words where that fails."""

from brev_pipeline.errors import SourceError


def read_file(file: str, path: str) -> bytes:
    """The bytes of a file.

    Args:
        file: where it lies.
        path: what it is called in the tables, for messages.

    Raises:
        SourceError: status ``missing``: it was deleted, may not be read, or the disk fails.
    """
    try:
        with open(file, "rb") as stream:
            return stream.read()
    except FileNotFoundError as error:
        raise SourceError("missing", f"{path} was deleted after it was listed") from error
    except PermissionError as error:
        raise SourceError(
            "missing", f"{path} may not be read: permission denied; check the file's permissions"
        ) from error
    except OSError as error:
        raise SourceError("missing", f"{path} cannot be read: {error.strerror or error}") from error
