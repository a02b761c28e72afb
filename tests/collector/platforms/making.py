"""What tests of platforms make: mappings of the simulated platform, connectors, centres that send to it."""

import itertools
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from collector.platforms.mapping import PlatformMapping
from collector.platforms.rest import RestConnector
from simulators.city_callbacks import Telling
from simulators.city_platform import Abilities, CasePlatform, Faults, PlatformServer
from tests.collector.platforms.conformance import Bench
from toml_files import TomlFile

SECRET = "0123456789abcdef0123456789abcdef"
STATUS = 'id = "eventId"\ncase = "ref"\nnumber = "number"\nstage = "stage"\ntime = "timeMs"\n'
STAGES = """[stages]
collected = ["collected"]
filed = ["filed"]
dispatched = ["dispatched"]
in_hand = ["processing"]
reported = ["done"]
verified = ["closed"]
"""
KEY = "[key]\n"
LOOK_UP = """[look_up]
number = "found[0].number"
found = "found"
absent_statuses = []
settle_s = 0
request = { method = "GET", path = "/lookup?ref={key}" }
"""
POLL = f"""[poll]
interval_s = 0.1
request = {{ method = "GET", path = "/events?since={{cursor}}&limit=3" }}
[poll.status]
{STATUS}"""
CALLBACKS = f"""[callbacks]
authentication = {{ kind = "hmac" }}
[callbacks.status]
{STATUS}"""
HANG_S = 0.4
TIMEOUT_S = 10.0
"""No test waits for it: this machine may be busy."""
SHORT_S = 0.1
"""Less than the platform hangs."""


def mapping_text(*tables: str) -> str:
    """Return a mapping file of the simulated platform with these abilities."""
    return f'schema = 1\n{"".join(tables)}[messages.opened]\npath = "/cases"\n{STAGES}'


def mapping(*tables: str) -> PlatformMapping:
    """Return the mapping."""
    return TomlFile(mapping_text(*tables), "mapping.toml").parse(PlatformMapping)


def now_ms() -> int:
    """Return the time."""
    return time.time_ns() // 1_000_000


def simulated(
    faults: Faults, *, key: bool = True, look_up: bool = False, telling: Telling | None = None
) -> CasePlatform:
    """Return a platform that misbehaves in short times."""
    return CasePlatform(
        faults, seed=3, now_ms=now_ms, hang_s=HANG_S, abilities=Abilities(key, look_up), telling=telling
    )


def connector(url: str, mapped: PlatformMapping, **more: Any) -> RestConnector:
    """Return a connector to a simulated platform."""
    ids = itertools.count(1)
    told: dict[str, Any] = {"timeout_s": TIMEOUT_S, "now_ms": now_ms, "new_id": lambda: f"n{next(ids)}"}
    return RestConnector(f"{url}/api", mapped, **told | more)


@contextmanager
def bench(
    platform: CasePlatform, mapped: PlatformMapping, *, timeout_s: float = TIMEOUT_S
) -> Iterator[Bench]:
    """Serve a platform, and give what the checks need."""

    def kept(case_id: str) -> int:
        return sum(each["case"]["id"] == case_id for each in list(platform.cases.values()))

    def events() -> int:
        return platform.progress.figures()["events"] if platform.progress else 0

    with PlatformServer(platform) as server:
        yield Bench(connector(server.url, mapped, timeout_s=timeout_s), kept, events)


def centre_tables(folder: Path, url: str, text: str, *, more: str = "") -> str:
    """Write the mapping file beside the settings, and return their table of this platform."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "city.toml").write_text(text)
    secret = folder / "secret"
    secret.write_text(SECRET)
    secret.chmod(0o600)
    return f"""[[platforms]]
name = "city"
url = "{url}/api"
mapping_file = "city.toml"
callback_secret_file = "secret"
timeout_s = {TIMEOUT_S}
retry_min_s = 0.05
retry_max_s = 0.2
retry_after_max_s = 1
{more}
"""
