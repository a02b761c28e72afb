"""The fleet: alarms that the centre raises itself, of what no gateway can know."""
