"""Small valid dumps of every format and of several tools, to be damaged."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from random import Random

START = datetime(2026, 3, 1, tzinfo=UTC)
Record = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Seed:
    """One dump before it is damaged."""

    name: str
    """Whose suffixes say what it is."""
    content: bytes
    """Not compressed: that comes after the text is damaged, or before the archive is."""


def made(rng: Random) -> Seed:
    """A dump of some kind."""
    make = rng.choice(KINDS)
    return make(rng)


def packed(seed: Seed) -> bytes:
    """The dump as its name says that it is."""
    if seed.name.endswith(".gz"):
        return gzip.compress(seed.content, mtime=0)
    if seed.name.endswith(".zst"):
        return bytes(pa.compress(seed.content, "zstd", asbytes=True))
    return seed.content


def _moments(rng: Random, count: int) -> Iterator[datetime]:
    start = START + timedelta(days=rng.randrange(3), minutes=rng.randrange(1000))
    return (start + timedelta(minutes=minute) for minute in range(count))


def _meters(rng: Random) -> list[dict[str, object]]:
    ids = [f"MTR-{rng.randrange(5):03d}" for _ in range(2)]
    return [
        {
            "meterId": meter,
            "kwhConsumedAc": rng.randrange(1000) / 1000,
            "voltage": rng.choice([229.5, 230, 231.25, None]),
            "timestamp": f"{at:%Y-%m-%dT%H:%M:%SZ}",
        }
        for at in _moments(rng, 15)
        for meter in dict.fromkeys(ids)
    ]


def _vehicles(rng: Random) -> list[dict[str, object]]:
    ids = [f"EV-{rng.randrange(5)} ü" if rng.random() < 0.1 else f"EV-{rng.randrange(5)}" for _ in range(2)]
    return [
        {
            "vehicleId": vehicle,
            "soc": 20 + minute / 4,
            "kwhDeliveredDc": rng.randrange(1000) / 1000,
            "batteryTemp": rng.choice([-4.5, 20, 31.25]),
            "timestamp": at.timestamp() if rng.random() < 0.02 else int(at.timestamp() * 1000),
        }
        for minute, at in enumerate(_moments(rng, 15))
        for vehicle in dict.fromkeys(ids)
    ]


def _mixed(rng: Random) -> list[dict[str, object]]:
    return [
        {
            "meterId": rng.choice(["M-1", "M-2", None, ""]),
            "kwhConsumedAc": 0.25,
            "voltage": 230,
            "vehicleId": rng.choice(["V-1", None, ""]),
            "soc": 55.5,
            "kwhDeliveredDc": 0.2,
            "batteryTemp": 21,
            "timestamp": f"{at:%Y-%m-%d %H:%M:%S}",
        }
        for at in _moments(rng, 25)
    ]


def _text(
    records: Sequence[Record],
    delimiter: str = ",",
    *,
    quoting: Any = csv.QUOTE_MINIMAL,
    ending: str = "\n",
    comma: bool = False,
) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, quoting=quoting, lineterminator=ending)
    writer.writerow(records[0])
    for record in records:
        values = ["" if value is None else str(value) for value in record.values()]
        if comma:
            values = [
                text.replace(".", ",") if isinstance(value, float) else text
                for text, value in zip(values, record.values(), strict=True)
            ]
        writer.writerow(values)
    return out.getvalue().encode()


def _wide(rng: Random) -> list[dict[str, object]]:
    return rng.choice([_meters, _vehicles, _mixed])(rng)


def delimited(rng: Random) -> Seed:
    suffix, delimiter, comma = rng.choice(
        [
            *(("csv", ",", False), ("tsv", "\t", False), ("csv", ";", True), ("csv", ";", False)),
            *(("txt", "|", False), ("csv.gz", ",", False), ("csv.zst", ";", True)),
        ]
    )
    quoting = rng.choice([csv.QUOTE_MINIMAL, csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
    ending = rng.choice(["\n", "\r\n"])
    return Seed(
        f"readings.{suffix}", _text(_wide(rng), delimiter, quoting=quoting, ending=ending, comma=comma)
    )


def json_lines(rng: Random) -> Seed:
    records = _wide(rng)
    if rng.random() < 0.3:
        records += _wide(rng)
    name = rng.choice(["lines.ndjson", "lines.jsonl", "lines.json", "lines.ndjson.gz"])
    return Seed(name, "".join(f"{json.dumps(record)}\n" for record in records).encode())


def json_array(rng: Random) -> Seed:
    name = rng.choice(["array.json", "array.json", "array.json.zst"])
    indent = rng.choice([None, 1])
    return Seed(name, json.dumps(_wide(rng), indent=indent, ensure_ascii=rng.random() < 0.5).encode())


def parquet(rng: Random) -> Seed:
    return Seed("readings.parquet", written(rng, _table(rng, _wide(rng))))


def _table(rng: Random, records: Sequence[Record]) -> pa.Table:
    columns: dict[str, pa.Array] = {}
    for name in records[0]:
        values = [record[name] for record in records]
        if name == "timestamp":
            columns[name] = _times(rng, values)
        elif name.endswith("Id"):
            columns[name] = _ids(rng, values)
        else:
            columns[name] = _numbers(rng, values)
    if rng.random() < 0.2:
        columns["nested"] = pa.array([[{"a": 1}]] * len(records))
    return pa.table(columns)


def _times(rng: Random, values: list[Any]) -> pa.Array:
    if not isinstance(values[0], str):
        return pa.array([int(value) for value in values], rng.choice([pa.int64(), pa.timestamp("ms")]))
    moments = [datetime.fromisoformat(value.removesuffix("Z")) for value in values]
    kind = rng.choice(
        [
            *(pa.string(), pa.timestamp("us", "UTC"), pa.timestamp("ns"), pa.timestamp("s")),
            *(pa.timestamp("ms", "Europe/Berlin"), pa.date32()),
        ]
    )
    return pa.array(values if pa.types.is_string(kind) else moments, kind)


def _ids(rng: Random, values: list[Any]) -> pa.Array:
    kind = rng.choice([pa.string(), pa.string(), pa.large_string(), pa.uint64(), pa.dictionary])
    if kind is pa.dictionary:
        return pa.array(values, pa.string()).dictionary_encode()
    if kind == pa.uint64():
        return pa.array([None if not value else 2**64 - len(value) for value in values], kind)
    return pa.array(values, kind)


def _numbers(rng: Random, values: list[Any]) -> pa.Array:
    kind = rng.choice([pa.float64(), pa.float64(), pa.float32(), pa.string(), pa.decimal128(18, 6)])
    if kind == pa.string():
        return pa.array([None if value is None else str(value) for value in values], kind)
    if pa.types.is_decimal(kind):
        return pa.array([None if value is None else Decimal(str(value)) for value in values], kind)
    return pa.array([None if value is None else float(value) for value in values], kind)


def written(rng: Random, table: pa.Table) -> bytes:
    out = io.BytesIO()
    pq.write_table(
        table,
        out,
        compression=rng.choice(["none", "none", "snappy", "gzip", "zstd"]),
        use_dictionary=rng.choice([True, False]),
        row_group_size=rng.choice([5, 1000]),
        data_page_version=rng.choice(["1.0", "2.0"]),
        write_page_checksum=rng.random() < 0.3,
        use_deprecated_int96_timestamps=rng.random() < 0.1,
        data_page_size=rng.choice([64, 1 << 20]),
        store_schema=rng.random() < 0.5,
    )
    return out.getvalue()


def ocpp(rng: Random) -> Seed:
    measurands = {"Energy.Active.Import.Register": "Wh", "Voltage": "V", "SoC": "Percent"}
    records: list[dict[str, object]] = [
        {
            "timestamp": f"{at:%Y-%m-%dT%H:%M:%SZ}",
            "charge_box_id": "CP-1",
            "connector_id": connector,
            "measurand": measurand,
            "unit": unit,
            "context": "Sample.Periodic",
            "phase": "L1" if measurand == "Voltage" else "",
            "location": "",
            "value": {"Wh": 1000 + 50 * minute, "V": 231, "Percent": 40}[unit],
        }
        for minute, at in enumerate(_moments(rng, 15))
        for connector in (1, 2)
        for measurand, unit in measurands.items()
    ]
    if rng.random() < 0.4:
        return Seed("ocpp.ndjson", "".join(f"{json.dumps(record)}\n" for record in records).encode())
    return Seed("ocpp.csv", _text(records))


def household(rng: Random) -> Seed:
    """As UCI data set 235."""
    zero = {"Global_intensity": 18.4, "Sub_metering_1": 0.0, "Sub_metering_2": 1.0, "Sub_metering_3": 17.0}
    records: list[dict[str, object]] = [
        {
            "Date": f"{at.day}/{at.month}/2007",
            "Time": f"{at:%H:%M:%S}",
            "Global_active_power": "?" if rng.random() < 0.1 else 4.216,
            "Voltage": 234.84,
            **zero,
        }
        for at in _moments(rng, 30)
    ]
    return Seed("household.txt", _text(records, ";", ending="\r\n"))


def teslafi(rng: Random) -> Seed:
    records: list[dict[str, object]] = [
        {
            "Date": f"{at:%Y-%m-%d %H:%M:%S}",
            "vehicle_id": "None" if rng.random() < 0.1 else 123,
            "battery_level": 50 + minute // 4,
            "charge_energy_added": round(0.2 * minute, 2),
            "charger_voltage": rng.choice([230, "None", "<invalid>"]),
            "charging_state": "Charging",
            "odometer": 1000.5,
        }
        for minute, at in enumerate(_moments(rng, 30))
    ]
    return Seed("teslafi.csv", b"\xef\xbb\xbf" * rng.randrange(2) + _text(records))


def han(rng: Random) -> Seed:
    records: list[dict[str, object]] = [
        {"meter_id": 2**64 - 1, "timestamp": f"{at:%Y-%m-%dT%H:%M:%S}", "obis": obis, "value": value}
        for minute, at in enumerate(_moments(rng, 20))
        for obis, value in (("1-0:1.8.0", 7 + minute / 10), ("1-0:32.7.0", 231.5), ("1-0:2.8.0", 0.0))
    ]
    if rng.random() < 0.4:
        types = {"meter_id": pa.uint64(), "value": pa.float64()}
        table = pa.table(
            {name: pa.array([one[name] for one in records], types.get(name)) for name in records[0]}
        )
        return Seed("han.parquet", written(rng, table))
    return Seed("han.csv", _text(records, rng.choice([",", ";"])))


KINDS: tuple[Callable[[Random], Seed], ...] = (
    *(delimited, delimited, delimited, json_lines, json_array, parquet, parquet),
    *(ocpp, household, teslafi, han),
)
