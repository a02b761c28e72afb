"""The city of `bench.storm`: its sensors, what happens to them, and which event is next. Pure, by a seed."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from contract.events import AlarmCleared, AlarmRaised, Event, Priority
from contract.messages import DeviceEntry

AREAS = [f"5001030010{n:02}" for n in range(1, 13)]
"""Communities: 12 digits of the unit grid."""
GATEWAYS_PER_AREA = 10
RAIN_SENSORS_PER_GATEWAY = 25
METRE_DEG = 1 / 111_000
POWER_CUT_GATEWAYS = 8
PARTS_HEADER = "ObjID,ObjName,DeptName1,DeptName2,DeptName3,BGID,lon,lat"

RULES = """
[incidents]
[[incidents.rules]]
name = "burst"
title = { en = "Main burst: {count} neighbours report low pressure", zh = "爆管：{count} 处邻近测点压力下降" }
matchers = ['problem="pipe_burst"']
within_s = 300
members_min = 3
distance_m = 800

[[incidents.rules]]
name = "power_cut"
title = { en = "Power cut in {area}? {count} alarms", zh = "{area} 疑似停电：{count} 条失联告警" }
matchers = ['problem=~"gateway_offline|power_cut"']
group_by = ["area"]
within_s = 300
members_min = 3

[[incidents.rules]]
name = "line_silent"
title = { en = "Line {line} of {gateway}: {count} alarms", zh = "{gateway} 线路 {line}：{count} 条告警" }
matchers = ['condition=~"stale|line"']
group_by = ["gateway", "line"]
within_s = 300
members_min = 3

[[incidents.rules]]
name = "ponding"
title = { en = "Water on the roads of {area}: {count} places", zh = "{area} 道路积水：{count} 处" }
matchers = ['problem="ponding"']
group_by = ["area"]
within_s = 120
members_min = 5

[[incidents.rules]]
name = "flood"
title = { en = "Many alarms at once: {count} sources", zh = "告警泛滥：{count} 个告警源" }
matchers = ['priority=~"low|medium"']
within_s = 60
members_min = 10
"""


@dataclass
class Sensor:
    """One that may alarm; ``happening`` is what it is part of, or its priority where it is by itself."""

    gateway: str
    device: str
    line: str
    part: str
    rule: str
    problem: str
    condition: str
    priority: Priority
    happening: str
    alarm_id: str = ""
    """Of the occurrence that is active."""


@dataclass(frozen=True)
class Happening:
    """From when on how much of all events are of it."""

    name: str
    begins_s: float
    weight: float


HAPPENINGS = (
    Happening("rain-1", 0, 0.34),
    Happening("rain-2", 20, 0.26),
    Happening("chatter", 0, 0.26),
    Happening("burst-1", 5, 0.05),
    Happening("burst-2", 25, 0.05),
    Happening("line", 10, 0.04),
)
HIGHEST_PER_MINUTE = 2.0
LONE_SENSORS = 12
"""So many of each of the two priorities."""
LONE_HIGH = 2
POWER_CUT_AT_S = 8.0


@dataclass
class City:
    """All of it; ``events`` draws what is next."""

    seed: int
    parts: list[str] = field(default_factory=list)
    devices: dict[str, list[DeviceEntry]] = field(default_factory=dict)
    sensors: dict[str, list[Sensor]] = field(default_factory=dict)
    raised: dict[str, Sensor] = field(default_factory=dict)
    """Every occurrence that ever was, by its id."""

    def __post_init__(self) -> None:
        """Build it."""
        self._random = random.Random(self.seed)
        for number, area in enumerate(AREAS):
            for of_area in range(GATEWAYS_PER_AREA):
                self._gateway(f"gw-{number:02}-{of_area:02}", number, area, of_area)

    @property
    def power_cut(self) -> list[str]:
        """The gateways that a power cut takes."""
        return [f"gw-11-{n:02}" for n in range(POWER_CUT_GATEWAYS)]

    def parts_file(self) -> str:
        """Return the register of parts."""
        return "\n".join([PARTS_HEADER, *self.parts, ""])

    def lone(self, number: int, priority: Priority) -> Sensor:
        """Return a sensor that has nothing to do with the rest."""
        sensor = number % LONE_SENSORS
        device = f"{priority}-{sensor:02}"
        gateway = f"gw-{2 + sensor % 8:02}-{sensor % 10:02}"
        return self._known(f"{priority}", gateway, device)

    def toggled(self, sensor: Sensor, now_ms: int) -> Event:
        """Return the next event of a sensor: raised if it is normal, cleared if it is not."""
        if sensor.alarm_id:
            ended, sensor.alarm_id = sensor.alarm_id, ""
            return AlarmCleared(ended, now_ms, sensor.rule, sensor.device, "value", 1.0)
        sensor.alarm_id = f"{self._random.getrandbits(128):032x}"
        self.raised[sensor.alarm_id] = sensor
        return AlarmRaised(
            sensor.alarm_id,
            now_ms,
            sensor.rule,
            sensor.device,
            "value",
            sensor.problem,
            sensor.priority,
            f"{sensor.problem} at {sensor.device}",
            sensor.part,
            96.5,
            140.0,
            condition=sensor.condition,
        )

    def drawn(self, since_s: float, count: int) -> Iterator[Sensor]:
        """Yield sensors that change now, as the happenings that have begun weigh."""
        begun = [each for each in HAPPENINGS if each.begins_s <= since_s]
        weights = [each.weight for each in begun]
        for happening in self._random.choices(begun, weights, k=count):
            yield self._random.choice(self.sensors[happening.name])

    def _gateway(self, name: str, number: int, area: str, of_area: int) -> None:
        self.devices[name] = []
        if number < 2:
            for sensor in range(RAIN_SENSORS_PER_GATEWAY):
                self._add(name, number, area, f"pond-{sensor}", "ponding", f"rain-{number + 1}")
        if number in (2, 3):
            for sensor in range(4):
                self._add(name, number, area, f"pressure-{sensor}", "pipe_burst", f"burst-{number - 1}")
        if number == 4 and of_area == 0:
            for sensor in range(12):
                self._add(name, number, area, f"meter-{sensor}", "device_silent", "line")
        if number >= 2:
            self._add(name, number, area, "dust", "dust_high", "chatter")
            self._add(name, number, area, "door", "door_open", "chatter")
        for priority in (Priority.HIGHEST, Priority.HIGH):
            for sensor in range(LONE_SENSORS):
                if name == f"gw-{2 + sensor % 8:02}-{sensor % 10:02}":
                    problem = "gas_leak" if priority is Priority.HIGHEST else "cover_open"
                    self._add(name, number, area, f"{priority}-{sensor:02}", problem, f"{priority}")

    def _add(self, gateway: str, number: int, area: str, device: str, problem: str, happening: str) -> None:
        sequence = len(self.parts) + 1
        part = f"5001030132{sequence:06}"
        lon = 106.0 + number * 0.05 + self._random.uniform(-300, 300) * METRE_DEG
        lat = 29.5 + self._random.uniform(-300, 300) * METRE_DEG
        self.parts.append(f"{part},供水器,城管局,自来水公司,抢修队,{area}001,{lon:.6f},{lat:.6f}")
        line = "rs485-2" if happening == "line" else "rs485-1"
        self.devices[gateway].append(DeviceEntry(device, "qdy30a", line, device, part))
        priority = {
            "rain": Priority.MEDIUM,
            "burst": Priority.HIGH,
            "line": Priority.MEDIUM,
            "highest": Priority.HIGHEST,
            "high": Priority.HIGH,
        }.get(happening.split("-", maxsplit=1)[0], self._random.choice([Priority.LOW, Priority.MEDIUM]))
        condition = "stale" if happening == "line" else "low"
        sensor = Sensor(gateway, device, line, part, problem, problem, condition, priority, happening)
        self.sensors.setdefault(happening, []).append(sensor)

    def _known(self, happening: str, gateway: str, device: str) -> Sensor:
        return next(
            each for each in self.sensors[happening] if (each.gateway, each.device) == (gateway, device)
        )
