-- Energy that is derived: what the device reported, how the interval energy came about, and by which rule.

ALTER TABLE meter_history ADD COLUMN power_kw double precision, ADD COLUMN quality integer;
ALTER TABLE vehicle_history ADD COLUMN power_kw double precision, ADD COLUMN quality integer;
ALTER TABLE meter_live ADD COLUMN power_kw double precision, ADD COLUMN quality integer;
ALTER TABLE vehicle_live ADD COLUMN power_kw double precision, ADD COLUMN quality integer;

COMMENT ON COLUMN meter_history.register_kwh IS 'What the register or session counter showed, where the energy is derived from it.';
COMMENT ON COLUMN meter_history.power_kw IS 'Power, where the energy is derived from it.';
COMMENT ON COLUMN meter_history.quality IS
    'Bits: 1 first, 2 gap, 4 reset, 8 rollover, 16 dropout, 32 glitch, 64 dip, 128 replaced; NULL for none.';
COMMENT ON COLUMN vehicle_history.register_kwh IS 'As meter_history.register_kwh.';
COMMENT ON COLUMN vehicle_history.power_kw IS 'As meter_history.power_kw.';
COMMENT ON COLUMN vehicle_history.quality IS 'As meter_history.quality.';

CREATE TABLE device_energy (
    stream    text NOT NULL CHECK (stream IN ('meter', 'vehicle')),
    device_id text COLLATE "C" NOT NULL,
    kind      text NOT NULL CHECK (kind IN ('register', 'session', 'power')),
    max_kw    double precision NOT NULL,
    dial_kwh  double precision,
    max_gap_s double precision NOT NULL,
    load_id   integer NOT NULL,
    PRIMARY KEY (stream, device_id)
);
COMMENT ON TABLE device_energy IS
    'What a device''s energy column carries and how energy is derived from it. Not here: interval energy.';
