-- The current state of devices for display, newest first. Without ids: every device. LIMIT NULL: all rows.

-- name: meters
SELECT count(*) OVER () AS total, meter_id, ts, kwh_consumed_ac, voltage, register_kwh, first_ts, load_id
FROM meter_live
WHERE %(ids)s::text[] IS NULL OR meter_id = ANY(%(ids)s::text[])
ORDER BY ts DESC, meter_id
LIMIT %(limit)s::bigint;

-- name: vehicles
SELECT count(*) OVER () AS total, vehicle_id, ts, soc, kwh_delivered_dc, battery_temp, register_kwh, first_ts, load_id
FROM vehicle_live
WHERE %(ids)s::text[] IS NULL OR vehicle_id = ANY(%(ids)s::text[])
ORDER BY ts DESC, vehicle_id
LIMIT %(limit)s::bigint;
