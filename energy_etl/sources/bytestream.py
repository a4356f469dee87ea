"""The bytes of a dump, decompressed, in bounded memory and with truthful progress.

Text readers sit on this: it knows compression and encodings, they know rows. Reading may happen on a
read-ahead thread (Arrow has one), so closing and reading exclude each other.
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


UTF8 = "utf-8"
WESTERN = "windows-1252"
"""Latin-1 with printable characters where that has control characters."""


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
    """A :class:`ByteStream` as UTF-8, whatever the dump is written in.

    Where the encoding is not given it is UTF-8, or Windows-1252 from the first byte on that is not UTF-8: all
    before it was ASCII, which is the same in both. UTF-8 with a broken byte in it is refused as a whole: read
    byte by byte its ids would become other ids.

    Args:
        encoding: Of the dump, as Python names it; None: to be found out.
    """

    def __init__(self, name: str, path: Path, compression: Compression, encoding: str | None = None) -> None:
        super().__init__(name, path, compression)
        self.encoding = encoding or UTF8
        """As far as it was read."""
        self._found_out = encoding is None
        self._decoder = codecs.getincrementaldecoder(self.encoding)()
        self._ascii = self._first = True
        self._lines = 0
        self._held = self._pending = b""

    def read(self, size: int) -> bytes:
        """Read up to ``size`` bytes of UTF-8; ``b""`` at the end and after :meth:`close`.

        Raises:
            InputError: As :meth:`ByteStream.read`, and if the bytes are not in the encoding; the message
                names the line.
        """
        while not self._pending:
            data = super().read(size)
            text = self._decode(data)
            if self.encoding == UTF8:
                # A character that is cut goes with its rest: it may turn out to be none.
                rest = self._decoder.getstate()[0]
                if self._held or rest:
                    data, self._held = (self._held + data)[: -len(rest) or None], rest
            else:
                if not data and not text:
                    return b""
                data = self._without_mark(text).encode()
                if not data:
                    continue
            if len(data) <= size and (data or not self._held):
                return data
            self._pending = data
        data, self._pending = self._pending[:size], self._pending[size:]
        return data

    def read_text(self, size: int) -> str | None:
        """The text of the next ``size`` bytes (without a byte order mark), ``None`` at the end."""
        data = super().read(size)
        text = self._decode(data)
        if not data and not text:
            return None
        return self._without_mark(text)

    def _without_mark(self, text: str) -> str:
        if self._first and text:
            self._first = False
            return text.removeprefix("\ufeff")
        return text

    def _decode(self, data: bytes) -> str:
        try:
            text = self._decoder.decode(data, final=not data)
        except UnicodeDecodeError as error:
            text = self._decode_other(error, final=not data)
        self._lines += data.count(b"\n")
        self._ascii = self._ascii and text.isascii()
        return text

    def _decode_other(self, error: UnicodeDecodeError, *, final: bool) -> str:
        """The text from the first byte on that is not UTF-8, and what was read along with it."""
        read: bytes = error.object
        cut = final and error.reason == "unexpected end of data"
        if self._found_out and self._ascii and read[: error.start].isascii() and not cut:
            decoder = codecs.getincrementaldecoder(WESTERN)()
            try:
                text = decoder.decode(read, final=final)
            except UnicodeDecodeError:
                raise self._not_text(error) from error
            self.encoding, self._decoder, self._found_out = WESTERN, decoder, False
            self._held = b""
            return text
        raise self._not_text(error) from error

    def _not_text(self, error: UnicodeDecodeError) -> InputError:
        line = self._lines + error.object.count(b"\n", 0, error.start) + 1
        shown = {UTF8: "UTF-8"}.get(self.encoding, self.encoding)
        return InputError(
            self.name,
            f"is not {shown} text: byte 0x{error.object[error.start]:02x} in line {line:,}",
            hint="convert the file to UTF-8 first, for example with iconv, or name its encoding in a profile",
        )
