"""Damage to dumps, decided by a random generator alone: the same one does the same damage again."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.corpus import seeds

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from tests.corpus.seeds import Seed

EXTREMES = (
    *(b"1e308", b"-1e308", b"1e400", b"-0", b"NaN", b"-inf", b"Infinity", b"99999999999999999999"),
    *(
        b"9223372036854775808",
        b"-9223372036854775809",
        b"18446744073709551616",
        b"1" * 400,
        b"0x1F",
        b"1_000",
    ),
    *(b"1,5", b"1.234,5", b"1e-400", b".", b"-", b"", b"null", b"N/A", b"true", b"[]", b'{"a":1}', b"+"),
    *("٣".encode(), b"1 000", b"\x00", b"5e", b"0014", b"=1+1"),
)
MOMENTS = (
    *(b"0014-01-01T00:00:00Z", b"1970-01-01T00:00:00Z", b"9999-12-31T23:59:59Z", b"294277-01-01T00:00:00Z"),
    *(b"-290308-01-01T00:00:00Z", b"2026-02-30T12:00:00Z", b"2026-03-01T24:00:00Z", b"2026-03-29 02:30:00"),
    *(b"2026-10-25 02:30:00", b"2026-03-01T12:00:60Z", b"2026-03-01T12:00:00+99:99", b"01/02/2026 10:00"),
    *(b"13/02/2026 10:00", b"0000-00-00 00:00:00", b"2026-03-01", b"9223372036854775807", b"-1", b"1e18"),
    *(b"2026-03-01T12:00:00.123456789123Z", b"00/00/0000 00:00:00", b"10000-01-01T00:00:00Z", b"99999999999"),
    *(b"2026-03-01T12:00:00-25:00", b"0001-01-01T00:00:00+14:00", b"9999-12-31T23:59:59-14:00"),
)
JUNK = (
    *(
        b"\x00",
        b"\x1a",
        b'"',
        b'""',
        b"\n",
        b"\r",
        b"\r\n\r\n",
        b"\xff\xfe",
        b"\xef\xbb\xbf",
        b"\xe9",
        b"\x80",
    ),
    *(
        b"\xed\xa0\x80",
        b"\\ud800",
        b"\x1b[31m",
        b"'",
        b"\\",
        b",",
        b";",
        b"\t",
        b"|",
        b"{",
        b"}",
        b"[",
        b"]",
        b":",
    ),
    *("\u2028".encode(), b"PAR1", b"\x1f\x8b", b"x" * 5000, b",," * 300, "İ".encode(), b"[/]", b"%s{0}"),
)
WORDS = (
    *(
        b"meterId",
        b"vehicleId",
        b"kwhConsumedAc",
        b"kwhDeliveredDc",
        b"timestamp",
        b"voltage",
        b"soc",
        b"value",
    ),
    *(
        b"row_number",
        b"load_id",
        b"ts",
        b"",
        b" ",
        b"quality",
        b"index",
        b"0",
        b"meter_id",
        b"unit",
        b"measurand",
    ),
    *(
        b"rule",
        b"detail",
        b"line",
        b"turn of the row",
        b"unit of voltage",
        b"METERID",
        b"raw",
        b"Date",
        b"Time",
    ),
)

_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?")
_MOMENT = re.compile(rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\dZ?|\d{13}|\d{1,2}/\d{1,2}/\d{4}")


def damaged(rng: Random) -> Seed:
    """A dump with some damage; its content is what the file holds."""
    seed = seeds.made(rng)
    if not seed.name.endswith(".parquet"):
        for _ in range(rng.choice([0, 1, 1, 1, 2, 3])):
            seed = replace(seed, content=rng.choice(_TEXT)(rng, seed.content))
        if rng.random() < 0.1:
            seed = replace(seed, content=_recoded(rng, seed.content))
    elif rng.random() < 0.4:
        seed = replace(seed, content=_cells(rng, seed.content))
    seed = replace(seed, content=seeds.packed(seed))
    whole = seed.name.endswith((".parquet", ".gz", ".zst"))
    if rng.random() < (0.5 if whole else 0.15):
        for _ in range(rng.choice([1, 1, 2, 4])):
            seed = replace(seed, content=rng.choice(_BYTES)(rng, seed.content))
    if seed.name.endswith(".parquet") and rng.random() < 0.15:
        seed = replace(seed, content=_footer(rng, seed.content))
    if rng.random() < 0.02:
        seed = replace(
            seed, name=rng.choice(["a.csv", "b.parquet", "c.json", "d", "e.ndjson.gz", "ü [b].txt"])
        )
    return seed


def _place(rng: Random, content: bytes) -> int:
    return rng.randrange(len(content) + 1)


def _span(rng: Random, content: bytes) -> tuple[int, int]:
    start = _place(rng, content)
    return start, min(len(content), start + rng.choice([1, 2, 8, 64, 500]))


def _flip(rng: Random, content: bytes) -> bytes:
    if not content:
        return content
    at = rng.randrange(len(content))
    return (
        content[:at]
        + bytes([content[at] ^ rng.choice([1, 2, 4, 8, 16, 32, 64, 128, 255])])
        + content[at + 1 :]
    )


def _set(rng: Random, content: bytes) -> bytes:
    start, end = _span(rng, content)
    fill = rng.choice([b"\x00", b"\xff", b"\x7f", b"\x80", rng.randbytes(1)])
    return content[:start] + fill * (end - start) + content[end:]


def _delete(rng: Random, content: bytes) -> bytes:
    start, end = _span(rng, content)
    return content[:start] + content[end:]


def _insert(rng: Random, content: bytes) -> bytes:
    at = _place(rng, content)
    return content[:at] + rng.choice([rng.randbytes(rng.randrange(1, 9)), rng.choice(JUNK)]) + content[at:]


def _duplicate(rng: Random, content: bytes) -> bytes:
    start, end = _span(rng, content)
    return content[:end] + content[start:end] * rng.choice([1, 1, 20]) + content[end:]


def _truncate(rng: Random, content: bytes) -> bytes:
    return content[: _place(rng, content)]


def _append(rng: Random, content: bytes) -> bytes:
    return content + rng.choice(
        [b"\x00" * rng.randrange(1, 600), rng.randbytes(20), content, content[:50], b"\n\n"]
    )


def _splice(rng: Random, content: bytes) -> bytes:
    other = seeds.packed(seeds.made(rng))
    return content[: _place(rng, content)] + other[_place(rng, other) :]


def _lines(rng: Random, content: bytes) -> bytes:
    lines = content.splitlines(keepends=True) or [b""]
    one, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    match rng.randrange(5):
        case 0:
            lines[one], lines[other] = lines[other], lines[one]
        case 1:
            lines.insert(one, lines[other])
        case 2:
            del lines[one]
        case 3:
            lines.insert(
                one, rng.choice([b"\n", b"   \n", b",,,\n", b"# comment\n", b"null\n", b"{}\n", b'""\n'])
            )
        case _:
            lines[one] = lines[one].rstrip(b"\r\n")
    return b"".join(lines)


def _endings(rng: Random, content: bytes) -> bytes:
    plain = content.replace(b"\r\n", b"\n")
    if rng.random() < 0.5:
        return plain.replace(b"\n", rng.choice([b"\r", b"\r\n", b"\n\n", b"\n\r"]))
    return b"".join(
        line + rng.choice([b"\r", b"\n", b"\r\n"]) if line else line for line in plain.split(b"\n")
    )


def _delimiters(rng: Random, content: bytes) -> bytes:
    old, new = rng.choice(b",;\t|:"), rng.choice(b",;\t|: ")
    return content.replace(bytes([old]), bytes([new]), rng.choice([1, 5, -1]))


def _quotes(rng: Random, content: bytes) -> bytes:
    old, new = rng.choice([(b'"', b""), (b'"', b"'"), (b'"', b'""'), (b",", b'","'), (b"\n", b'"\n"')])
    return content.replace(old, new, rng.choice([1, 3, -1]))


def _one(rng: Random, pattern: re.Pattern[bytes], content: bytes, values: tuple[bytes, ...]) -> bytes:
    found = list(pattern.finditer(content))
    for match in sorted(
        rng.sample(found, min(len(found), rng.choice([1, 1, 3, 40]))), key=re.Match.start, reverse=True
    ):
        content = content[: match.start()] + rng.choice(values) + content[match.end() :]
    return content


def _numbers(rng: Random, content: bytes) -> bytes:
    return _one(rng, _NUMBER, content, EXTREMES)


def _moments(rng: Random, content: bytes) -> bytes:
    return _one(rng, _MOMENT, content, MOMENTS)


def _header(rng: Random, content: bytes) -> bytes:
    """The first line's names; of JSON, the keys of a record or of all."""
    line, ending, rest = content.partition(b"\n")
    names: list[bytes] = re.findall(rb"[A-Za-z_][\w ]*", line)
    if not names:
        return content
    old, new = rng.choice(names), rng.choice([*names, *WORDS, *JUNK])
    match rng.randrange(4):
        case 0:
            return content.replace(old, new, rng.choice([1, -1]))
        case 1:
            return line.replace(old, old.upper(), 1) + ending + rest
        case 2:
            return line + rng.choice([b",", b";", b"\t"]) + new + ending + rest
        case _:
            return line.replace(old, new, 1) + ending + rest


def _recoded(rng: Random, content: bytes) -> bytes:
    text = content.decode(errors="replace").replace("M-", "Zähler-").replace("EV-", "Größe–")
    encoding = rng.choice(
        ["utf-16", "utf-16-le", "utf-16-be", "latin-1", "cp1252", "utf-32", "utf-8-sig", "cp037"]
    )
    return text.encode(encoding, errors="replace")


def _cells(rng: Random, content: bytes) -> bytes:
    """A Parquet file with some values of its columns replaced by extremes of their types, and odd names."""
    table = pq.read_table(io.BytesIO(content))
    for _ in range(rng.choice([1, 1, 2, 5])):
        at = rng.randrange(table.num_columns)
        column = table.column(at).combine_chunks()
        values = column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
        array = _hostile(rng, values)
        if array is not None:
            table = table.set_column(at, table.field(at).with_type(array.type), array)
    if rng.random() < 0.15:
        names = table.schema.names
        names[rng.randrange(len(names))] = rng.choice(WORDS).decode()
        table = table.rename_columns(names)
    return seeds.written(rng, table)


def _hostile(rng: Random, column: pa.Array) -> pa.Array | None:
    """The column with one of its values, or all, made extreme; None where its type is not known here."""
    types, kind = pa.types, column.type
    extremes: tuple[Any, ...] = (None,)
    if types.is_string(kind) or types.is_large_string(kind):
        extremes = (*(text.decode() for text in (*EXTREMES, *MOMENTS)), "x" * 70_000, "\x00", "\u2028", None)
    elif types.is_floating(kind):
        extremes = (float("nan"), float("inf"), -float("inf"), -0.0, 1e308, 5e-324, -1.0, 1e17, None)
        extremes = (*extremes[:4], 3e38, *extremes[5:]) if types.is_float32(kind) else extremes
    elif types.is_integer(kind):
        width = kind.bit_width
        top = 2**width - 1 if types.is_unsigned_integer(kind) else 2 ** (width - 1) - 1
        extremes = (0, top, 0 if types.is_unsigned_integer(kind) else -top - 1, 1, None)
    elif types.is_timestamp(kind) or types.is_date32(kind):
        width, number = (64, pa.int64()) if types.is_timestamp(kind) else (32, pa.int32())
        extremes = (0, -1, 2 ** (width - 1) - 1, -(2 ** (width - 1)), 2**31, 253_402_300_800, None)
        extremes = extremes[:4] if types.is_date32(kind) else extremes
        # Python has no moments so far away.
        values: list[Any] = column.cast(number).to_pylist()
        return _replaced(rng, values, extremes, number).view(kind)
    elif not types.is_decimal(kind):
        return None
    return _replaced(rng, column.to_pylist(), extremes, kind)


def _replaced(rng: Random, values: list[Any], extremes: tuple[Any, ...], kind: pa.DataType) -> pa.Array:
    if rng.random() < 0.2:
        return pa.array([rng.choice(extremes)] * len(values), kind)
    values[rng.randrange(len(values))] = rng.choice(extremes)
    return pa.array(values, kind)


def _footer(rng: Random, content: bytes) -> bytes:
    """The footer of a Parquet file, or its length."""
    length = int.from_bytes(content[-8:-4], "little")
    match rng.randrange(3):
        case 0:
            size = rng.choice([0, 1, length - 1, length + 1, 2**31 - 1, 2**31, 2**32 - 1, len(content)])
            return content[:-8] + max(0, size).to_bytes(4, "little") + content[-4:]
        case 1:
            start = max(4, len(content) - 8 - length)
            footer = bytearray(content[start:-8])
            for _ in range(rng.choice([1, 1, 3])):
                if footer:
                    footer[rng.randrange(len(footer))] = rng.choice(
                        [0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)]
                    )
            return content[:start] + bytes(footer) + content[-8:]
        case _:
            start = rng.randrange(4, max(5, len(content) - 8 - length))
            return content[:start] + _flip(rng, content[start : start + 30]) + content[start + 30 :]


_BYTES: tuple[Callable[[Random, bytes], bytes], ...] = (
    *(_flip, _flip, _flip, _set, _delete, _insert, _duplicate, _truncate, _append, _splice),
)
_TEXT: tuple[Callable[[Random, bytes], bytes], ...] = (
    *(_numbers, _numbers, _moments, _moments, _header, _header, _lines, _lines, _endings, _delimiters),
    *(_quotes, _insert, _insert, _delete, _duplicate, _truncate, _splice, _flip, _append),
)
