-- What it takes by hand to load a dump again without doubling anything, and to keep the live table right.
BEGIN;
CREATE TEMPORARY TABLE stage (meter_id text, kwh_consumed_ac float8, voltage float8, ts timestamptz) ON COMMIT DROP;
\copy stage FROM pstdin WITH (FORMAT csv, HEADER true)
INSERT INTO :history (meter_id, kwh_consumed_ac, voltage, ts, load_id)
SELECT meter_id, kwh_consumed_ac, voltage, ts, 0 FROM stage
ON CONFLICT (meter_id, ts) DO NOTHING;
INSERT INTO meter_live AS live (meter_id, kwh_consumed_ac, voltage, ts, first_ts, load_id)
SELECT DISTINCT ON (meter_id) meter_id, kwh_consumed_ac, voltage, ts, ts, 0 FROM stage ORDER BY meter_id, ts DESC
ON CONFLICT (meter_id) DO UPDATE
SET kwh_consumed_ac = EXCLUDED.kwh_consumed_ac, voltage = EXCLUDED.voltage, ts = EXCLUDED.ts
WHERE live.ts < EXCLUDED.ts;
COMMIT;
