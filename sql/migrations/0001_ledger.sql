-- The ledger, the rejects, the live tables and the links: the same on every server.

CREATE TABLE load (
    load_id     integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source      text        NOT NULL,
    sha256      text        NOT NULL,
    bytes       bigint      NOT NULL,
    format      text        NOT NULL,
    status      text        NOT NULL CHECK (status IN ('loading', 'loaded', 'failed')),
    started_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at timestamptz,
    counts      jsonb       NOT NULL DEFAULT '{}',
    options     jsonb       NOT NULL DEFAULT '{}',
    error       text,
    version     text        NOT NULL
);
COMMENT ON TABLE load IS 'One row per dump. Written in the transaction that loads its readings.';
COMMENT ON COLUMN load.sha256 IS 'Of the file as it lies on disk, compression included.';
COMMENT ON COLUMN load.counts IS 'Per stream: read, loaded, duplicate, conflicting, rejected, replaced, min_ts, max_ts.';

-- The mutex of a file: a second loader of the same bytes waits here for the first, then finds them loaded.
CREATE UNIQUE INDEX load_content ON load (sha256) WHERE status IN ('loading', 'loaded');

CREATE TABLE reject (
    load_id    integer NOT NULL REFERENCES load ON DELETE CASCADE,
    stream     text    CHECK (stream IN ('meter', 'vehicle')),
    row_number bigint  NOT NULL,
    rule       text    NOT NULL,
    detail     text    NOT NULL,
    raw        jsonb   NOT NULL
);
COMMENT ON TABLE reject IS 'Rows of a loaded dump that are not in history, and why. Conflicting readings are here too.';
COMMENT ON COLUMN reject.stream IS 'NULL where the row names neither a meter nor a vehicle, or could not be read as a row.';
COMMENT ON COLUMN reject.row_number IS 'Number of the data row in the file, from 1; the header is not counted.';
CREATE INDEX reject_load ON reject (load_id, row_number);

CREATE TABLE meter_live (
    meter_id        text COLLATE "C" PRIMARY KEY,
    ts              timestamptz      NOT NULL,
    kwh_consumed_ac double precision NOT NULL,
    voltage         double precision,
    register_kwh    double precision,
    first_ts        timestamptz      NOT NULL,
    load_id         integer          NOT NULL
) WITH (fillfactor = 70);
COMMENT ON TABLE meter_live IS 'The newest reading of each meter.';
COMMENT ON COLUMN meter_live.first_ts IS 'Oldest reading in history; with ts it bounds what history can hold.';

CREATE TABLE vehicle_live (
    vehicle_id       text COLLATE "C" PRIMARY KEY,
    ts               timestamptz      NOT NULL,
    soc              double precision,
    kwh_delivered_dc double precision NOT NULL,
    battery_temp     double precision,
    register_kwh     double precision,
    first_ts         timestamptz      NOT NULL,
    load_id          integer          NOT NULL
) WITH (fillfactor = 70);
COMMENT ON TABLE vehicle_live IS 'The newest reading of each vehicle.';

CREATE TABLE vehicle_meter_link (
    vehicle_id text COLLATE "C" NOT NULL,
    meter_id   text COLLATE "C" NOT NULL,
    valid_from timestamptz NOT NULL DEFAULT '-infinity',
    valid_to   timestamptz NOT NULL DEFAULT 'infinity',
    PRIMARY KEY (vehicle_id, meter_id, valid_from),
    CHECK (valid_from < valid_to)
);
COMMENT ON TABLE vehicle_meter_link IS 'At which meter a vehicle charges, from valid_from (included) to valid_to (excluded).';
CREATE INDEX vehicle_meter_link_meter ON vehicle_meter_link (meter_id, valid_from);
