"""The bytes of a dump, decompressed, in bounded memory and with truthful progress.

Text readers sit on this: it knows compression and UTF-8, they know rows. Reading may happen on a read-ahead
thread (Arrow has one), so closing and reading exclude each other.
"""

from __future__ import annotations

import codecs
import threading
from typing import TYPE_CHECKING, Protocol, Self

from energy_etl.errors import InputError
from energy_etl.sources.source import Compression

if TYPE_CHECKING:
    from io import FileIO
    from pathlib import Path
    from types import TracebackType


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes | None: ...
    def close(self) -> None: ...


class ByteStream:
    """A dump's decompressed bytes.

    Args:
        name: The file as the user named it, for messages.
        path: The regular file.
        compression: Of the whole file; several gzip members or zstd frames are read as one.

    Raises:
        InputError: The file cannot be opened.
    """

    def __init__(self, name: str, path: Path, compression: Compression) -> None:
        self.name = name
        self._compression = compression
        try:
            self._file: FileIO = path.open("rb", buffering=0)
        except OSError as error:
            raise InputError(name, f"cannot be opened: {error.strerror}") from error
        self._stream: _Readable = self._file
        if compression is not Compression.NONE:
            import pyarrow as pa

            self._stream = pa.CompressedInputStream(pa.PythonFile(self._file, mode="r"), str(compression))
        self._lock = threading.Lock()
        self._closed = False
        self.consumed = 0
        """Bytes of the file read so far, compressed where the file is."""

    def read(self, size: int) -> bytes:
        """Read up to ``size`` decompressed bytes; ``b""`` at the end and after :meth:`close`.

        Raises:
            InputError: The archive is truncated or corrupt, or the disk fails.
        """
        with self._lock:
            if self._closed:
                return b""
            try:
                data = self._stream.read(size) or b""
                self.consumed = self._file.tell()
            except OSError as error:
                raise self._unreadable(error) from error
            return data

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        with self._lock:
            self._closed = True
            self._stream.close()
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _unreadable(self, error: OSError) -> InputError:
        if self._compression is Compression.NONE or error.errno is not None:
            return InputError(self.name, f"cannot be read: {error.strerror or error}")
        self.consumed = self._file.tell()
        what = "truncated" if "runcated" in str(error) else "corrupt"
        return InputError(
            self.name,
            f"the {self._compression} archive is {what} after {self.consumed:,} of its bytes",
            hint="fetch or compress the file again",
        )


class TextStream(ByteStream):
    """A :class:`ByteStream` that lets only UTF-8 pass.

    A dump in another encoding is refused as a whole: read byte by byte its ids would become other ids.
    """

    def __init__(self, name: str, path: Path, compression: Compression) -> None:
        super().__init__(name, path, compression)
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._lines = 0

    def read(self, size: int) -> bytes:
        """Read as :meth:`ByteStream.read`.

        Raises:
            InputError: Also if the bytes are not UTF-8; the message names the line.
        """
        data = super().read(size)
        self._decode(data)
        return data

    def read_text(self, size: int) -> str | None:
        """The text of the next ``size`` bytes (without a byte order mark), ``None`` at the end."""
        first = self.consumed == 0
        data = super().read(size)
        text = self._decode(data)
        if not data:
            return None
        return text.removeprefix("\ufeff") if first else text

    def _decode(self, data: bytes) -> str:
        try:
            text = self._decoder.decode(data, final=not data)
        except UnicodeDecodeError as error:
            line = self._lines + error.object.count(b"\n", 0, error.start) + 1
            raise InputError(
                self.name,
                f"is not UTF-8 text: byte 0x{error.object[error.start]:02x} in line {line:,}",
                hint="convert the file to UTF-8 first, for example with iconv",
            ) from error
        self._lines += data.count(b"\n")
        return text
