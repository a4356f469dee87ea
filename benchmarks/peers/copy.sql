\copy meter_history (meter_id, kwh_consumed_ac, voltage, ts) FROM pstdin WITH (FORMAT csv, HEADER true)
