"""Files of programs: which there are under a path, how to read them, and how to replace one."""

import codecs
import io
import os
import shutil
import tempfile
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

SUFFIXES = (".py", ".ipynb")
_NOT_OURS = {"__pycache__", "node_modules", "site-packages"}


class SourceError(Exception):
    """A file that cannot be read as text; the message says why."""


class Source(NamedTuple):
    """A Python file.

    Attributes:
        path: where it is.
        data: its bytes.
        text: its text, with its own line ends and without a byte order mark.
        encoding: of the text.
        mark: the byte order mark, or nothing.
    """

    path: Path
    data: bytes
    text: str
    encoding: str
    mark: bytes


def files_in(path: Path) -> Iterator[Path]:
    """The file that `path` is, or the programs in that folder, sorted.

    Left out are hidden folders, virtual environments and installed packages.
    """
    if not path.is_dir():
        yield path
        return
    for folder, inner, names in os.walk(path):
        inner[:] = sorted(name for name in inner if not _is_left_out(Path(folder, name)))
        yield from (Path(folder, name) for name in sorted(names) if name.endswith(SUFFIXES))


def _is_left_out(folder: Path) -> bool:
    is_hidden = folder.name.startswith(".")
    return is_hidden or folder.name in _NOT_OURS or (folder / "pyvenv.cfg").exists()


def read(path: Path) -> Source:
    """Reads a Python file in the encoding that it declares.

    Raises:
        SourceError: if it cannot be read, or is not in its encoding.
    """
    try:
        data = path.read_bytes()
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        mark = codecs.BOM_UTF8 if data.startswith(codecs.BOM_UTF8) else b""
        encoding = "utf-8" if mark else encoding
        return Source(path, data, data[len(mark) :].decode(encoding), encoding, mark)
    except OSError as error:
        raise SourceError(error.strerror or str(error)) from error
    except (SyntaxError, UnicodeDecodeError, LookupError) as error:
        raise SourceError(f"not text in its encoding: {error}") from error


def replace(source: Source, text: str) -> None:
    """Writes a new text for a file: whole or not at all, with its encoding and permissions.

    Raises:
        SourceError: if that fails, or the file is no longer what was read.
    """
    # A link goes on leading to the file.
    path = Path(os.path.realpath(source.path))
    new = None
    try:
        data = source.mark + text.encode(source.encoding)
        if path.read_bytes() != source.data:
            raise SourceError("it changed while it was read; nothing was written")
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as file:
            new = file.name
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        shutil.copymode(path, new)
        os.replace(new, path)
        new = None
    except (OSError, UnicodeEncodeError) as error:
        raise SourceError(f"not written: {error}") from error
    finally:
        if new is not None:
            os.unlink(new)
