"""The controls of a world for controls, and what its times allow."""

from typing import Any

from tests.edge.controls.bench import CONTACTOR

SELF_OFF_S, STALE_S = 20.0, 12.0
STEP_S_MAX, PROOF_S = 3.0, 5.0
SLACK_S = 2 * STEP_S_MAX + 2.0
"""Two looks, and what the device's timer may be set beyond the end."""
RETRY_S = 2 * STEP_S_MAX + 10.0
"""So long after a command that was lost an output may not be as it should: it is told again."""
LASTS_S = 30.0
DEPTH_MAX = 20
"""Commands that are read back at once, and answered by other commands: more is chatter."""
FROST = {"point": "sensor/cold", "at_or_below": 2.0, "reason": "frost"}
DOOR = {"point": "sensor/door", "equals": True, "reason": "door open", "lasts_s": LASTS_S}
_OFF: dict[str, Any] = {
    "fail_state": "off",
    "self_off_s": SELF_OFF_S,
    "stale_s": STALE_S,
    "inhibits": [FROST, DOOR],
}
_DUST: dict[str, Any] = {
    "start": {"point": "sensor/dust", "above": 150.0},
    "stop": {"point": "sensor/dust", "below": 120.0},
}
_LEVEL: dict[str, Any] = {
    "start": {"point": "sensor/level", "above": 5.0},
    "stop": {"point": "sensor/level", "below": 2.0},
}
SPRAY = _OFF | _DUST | {
    "name": "spray",
    "output": "relay/spray",
    "longest_run_s": 60.0,
    "shortest_rest_s": 10.0,
    "runs_per_day_max": 300,
    "group": "water",
    "stagger_s": 15.0,
    "proves": {"point": "sensor/pressure", "above": 1.0, "within_s": 15.0, "runs_without_max": 5},
}  # fmt: skip
PUMPS = _OFF | _LEVEL | {
    "name": "pumps",
    "output": "relay/pump_1",
    "longest_run_s": 90.0,
    "runs_per_day_max": 40,
    "group": "water",
    "stagger_s": 15.0,
    "lag": {"output": "relay/pump_2", "start": {"point": "sensor/level", "above": 8.0, "held_s": 16.0}},
    "proves": {"point": "sensor/current", "above": 1.0, "within_s": 25.0, "runs_without_max": 1},
}  # fmt: skip
DRAIN = _OFF | {
    "name": "drain",
    "output": "relay/drain",
    "longest_run_s": 60.0,
    "start": {"point": "sensor/level", "above": 5.0},
    "stop": {"point": "sensor/sump", "below": 1.0},
}  # fmt: skip
BELL = {
    "name": "bell",
    "output": "relay/bell",
    "fail_state": "on",
    "stale_s": STALE_S,
    "inhibits": [FROST],
    "shortest_rest_s": 10.0,
}  # fmt: skip
VALVE = _OFF | {"name": "valve", "output": "relay/valve", "longest_run_s": 40.0}
STORM = _LEVEL | {"name": "storm", "output": "relay/storm", "fail_state": "on", "stale_s": STALE_S}
LIGHT = _DUST | {"name": "light", "output": "relay/light", "fail_state": "hold", "stale_s": STALE_S}
SETTINGS: tuple[tuple[dict[str, Any], ...], ...] = (
    (SPRAY, PUMPS, VALVE, STORM, LIGHT, DRAIN, BELL),
    (SPRAY | {"output": "relay/moved"}, PUMPS | {"lag": None}, VALVE | {"name": "other"}, LIGHT),
    (
        PUMPS,
        VALVE,
        LIGHT,
        BELL,
        STORM,
        *(each | CONTACTOR | {"fail_state": "hold"} for each in (SPRAY, DRAIN)),
    ),
)
"""Of the second, controls have moved, lost an output, another name, or are gone; of the third, some hold."""
LEFT_S = 30.0 + PROOF_S + SLACK_S
"""So long after new settings an output may be on that has no control any more, and nobody is told."""
ALL = ("spray", "moved", "pump_1", "pump_2", "valve", "storm", "light", "drain", "bell")
LEFT = ("spray", "pump_2")
"""Those that fail off and have no control with the second settings."""
