"""What TALQ calls things, and what we do."""

EXTENSION = "x-gengfu-plan"
"""Beside TALQ's objects: what it has no place for."""
DAY_OFFSET = 12
PROGRAM_TYPE = "ControlProgramOne"

ABSOLUTE = {"startTime": "start_time", "endTime": "end_time"}
SUN = {"sunsetOffset": "sunset_offset_min", "sunriseOffset": "sunrise_offset_min"}
LEVELS = {"onLevel": "on_level", "offLevel": "off_level"}
HEARD = {
    "pcActiveBeforeSunset": "pc_active_before_sunset_min",
    "pcActiveBeforeSunrise": "pc_active_before_sunrise_min",
}
PERIODS: dict[str, tuple[str, dict[str, str]]] = {
    "AbsoluteActivePeriod": ("absolute", ABSOLUTE),
    "AstroClockActivePeriod": ("astro_clock", SUN),
    "SensorActivePeriod": ("sensor", LEVELS),
    "AstroAndSensorActivePeriod": ("astro_and_sensor", SUN | LEVELS | HEARD),
    "ValueActivePeriod": ("value", {}),
}
"""Active periods by TALQ's name: our kind, and the members that only differ in spelling."""

ASTRO = {"offset": "offset_min", "solarEventType": "solar_event_type"}
BEYOND_RULES = ("name", "time_zone", "place", "conditions", "overrides", "cabinets")
"""What the extension says of a plan in our own words, besides the rules with conditions."""
