"""Devices, faults, cabinets and a city platform for trials without hardware; real bytes on real ptys."""
