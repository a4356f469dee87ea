-- Energy of one device over a window. A reading's ts ends its interval, so a window is (after, until].
--
-- Flags are counted in the order of energy.Quality. Both queries name one device and a range of ts, which every flavour answers from its per-device index.

-- name: newest_reading
SELECT ts FROM vehicle_live WHERE vehicle_id = %(vehicle_id)s;

-- name: vehicle_window
SELECT count(*)                                                        AS readings,
       sum(kwh_delivered_dc)                                           AS kwh,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM gap)::double precision) AS interval_seconds,
       min(ts)                                                         AS first_ts,
       max(ts)                                                         AS last_ts,
       ARRAY[count(*) FILTER (WHERE quality & 1 <> 0),   count(*) FILTER (WHERE quality & 2 <> 0),
             count(*) FILTER (WHERE quality & 4 <> 0),   count(*) FILTER (WHERE quality & 8 <> 0),
             count(*) FILTER (WHERE quality & 16 <> 0),  count(*) FILTER (WHERE quality & 32 <> 0),
             count(*) FILTER (WHERE quality & 64 <> 0),  count(*) FILTER (WHERE quality & 128 <> 0)] AS flags,
       avg(battery_temp)                                               AS avg_temp,
       min(battery_temp)                                               AS min_temp,
       max(battery_temp)                                               AS max_temp
FROM (
    SELECT ts, kwh_delivered_dc, battery_temp, quality, ts - lag(ts) OVER (ORDER BY ts) AS gap
    FROM vehicle_history
    WHERE vehicle_id = %(vehicle_id)s AND ts > %(after)s AND ts <= %(until)s
) AS reading;

-- name: meter_window
-- Within the window, only what was consumed while the link held: a reading ends its interval, so one at the
-- very moment of a handover still belongs to the vehicle before.
SELECT count(*)                                                        AS readings,
       sum(kwh_consumed_ac)                                            AS kwh,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM gap)::double precision) AS interval_seconds,
       min(ts)                                                         AS first_ts,
       max(ts)                                                         AS last_ts,
       ARRAY[count(*) FILTER (WHERE quality & 1 <> 0),   count(*) FILTER (WHERE quality & 2 <> 0),
             count(*) FILTER (WHERE quality & 4 <> 0),   count(*) FILTER (WHERE quality & 8 <> 0),
             count(*) FILTER (WHERE quality & 16 <> 0),  count(*) FILTER (WHERE quality & 32 <> 0),
             count(*) FILTER (WHERE quality & 64 <> 0),  count(*) FILTER (WHERE quality & 128 <> 0)] AS flags
FROM (
    SELECT ts, kwh_consumed_ac, quality, ts - lag(ts) OVER (ORDER BY ts) AS gap
    FROM meter_history
    WHERE meter_id = %(meter_id)s AND ts > %(after)s AND ts <= %(until)s
      AND ts > coalesce(%(valid_from)s::timestamptz, '-infinity')
      AND ts <= coalesce(%(valid_to)s::timestamptz, 'infinity')
) AS reading;
