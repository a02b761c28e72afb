"""The centre: subscribe, journal, registry, projections, alarms, cases, platforms, API."""
