-- Which vehicle charges at which meter, over time. An open end is stored as infinity and read as NULL.

-- name: lock
-- Two writers that each see no overlap must not both insert; readers go on.
LOCK TABLE vehicle_meter_link IN SHARE ROW EXCLUSIVE MODE;

-- name: all
SELECT vehicle_id, meter_id, nullif(valid_from, '-infinity'), nullif(valid_to, 'infinity')
FROM vehicle_meter_link
ORDER BY vehicle_id, vehicle_meter_link.valid_from, meter_id;

-- name: of_vehicle
SELECT vehicle_id, meter_id, nullif(valid_from, '-infinity'), nullif(valid_to, 'infinity')
FROM vehicle_meter_link
WHERE vehicle_id = %(vehicle_id)s
ORDER BY vehicle_meter_link.valid_from, meter_id;

-- name: of_meters
SELECT vehicle_id, meter_id, nullif(valid_from, '-infinity'), nullif(valid_to, 'infinity')
FROM vehicle_meter_link
WHERE meter_id = ANY(%(meter_ids)s)
ORDER BY meter_id, vehicle_meter_link.valid_from;

-- name: add
INSERT INTO vehicle_meter_link (vehicle_id, meter_id, valid_from, valid_to)
VALUES (%(vehicle_id)s, %(meter_id)s, coalesce(%(valid_from)s::timestamptz, '-infinity'),
        coalesce(%(valid_to)s::timestamptz, 'infinity'));

-- name: remove_all
DELETE FROM vehicle_meter_link
WHERE vehicle_id = %(vehicle_id)s AND meter_id = %(meter_id)s
RETURNING vehicle_id, meter_id, nullif(valid_from, '-infinity'), nullif(valid_to, 'infinity');

-- name: remove_one
DELETE FROM vehicle_meter_link
WHERE vehicle_id = %(vehicle_id)s AND meter_id = %(meter_id)s
  AND valid_from = coalesce(%(valid_from)s::timestamptz, '-infinity')
RETURNING vehicle_id, meter_id, nullif(valid_from, '-infinity'), nullif(valid_to, 'infinity');
