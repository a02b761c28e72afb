"""The daemon in the street cabinet: lines, drivers, polling, rules, buffer, uplink."""
