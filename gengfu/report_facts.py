"""The facts of a commissioning report, as plain data; whatever cannot be had is said, and stops nothing."""

import platform
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from device_profiles.schema import Profile
    from edge.local.words import Page
    from edge.settings import Settings

Tell = Callable[[str], None]
OLD_BACKLOG_S = 600
"""What waits for longer is told as not well."""
NotWell = dict[str, Any]
"""``what`` is a key of ``gengfu.report_page``, ``of`` what it is said of."""


def facts(path: Path, technician: str, now_ms: int, *, ask: bool, tell: Tell) -> dict[str, Any]:
    """Return everything the report says. With ``ask`` devices are identified and what is wrong examined.

    ``tell`` is told what is done.
    """
    from edge import checks
    from edge.configuration import note
    from toml_files import TomlFileError

    told: dict[str, Any] = {
        "schema": 1,
        "written_ms": now_ms,
        "technician": technician,
        "settings": {"file": str(path), "digest": note.local_digest(path)},
        "software": software(),
        "not_well": [],
    }
    try:
        settings, profiles = checks.load(path)
    except TomlFileError as error:
        told["not_well"] = [_not("settings", str(problem)) for problem in error.problems]
        return told
    return told | _of(path, settings, profiles, now_ms, ask=ask, tell=tell)


def software() -> dict[str, str]:
    """Return what runs here."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        ours = version("gengfu")
    except PackageNotFoundError:
        ours = ""
    return {"gengfu": ours, "python": platform.python_version(), "system": platform.platform()}


def _of(
    path: Path, settings: "Settings", profiles: "dict[str, Profile]", now_ms: int, *, ask: bool, tell: Tell
) -> dict[str, Any]:
    import msgspec

    from edge.bundle.parts import PartError, certificate, desired_held

    state, wrong = path.parent / settings.state_folder, list[NotWell]()
    page = _page(state, wrong)
    running = page is not None
    identified = _identified(state, settings, page, tell) if ask and page else {}
    if identified:
        page = _page(state, wrong)  # what is live now
    try:
        enrolled = certificate(state)
        wrong += [] if enrolled else [_not("not_enrolled")]
    except (OSError, PartError) as error:
        enrolled = None
        wrong.append(_not("certificate", str(error)))
    for each in _chain(enrolled):
        if not each["from_ms"] <= now_ms <= each["until_ms"]:
            wrong.append(_not("certificate_time", each["subject"]))
    devices = list(_devices(settings, profiles, page, identified, wrong))
    if page is not None:
        wrong += _of_page(page)
    ill = {it["line"] for it in devices if it["state"] in ("dead", "doubtful", "no_line")}
    try:
        held: Mapping[str, object] = desired_held(state)
    except OSError:
        held = {}
    return {
        "gateway": settings.gateway,
        "district": settings.district,
        "broker": f"{settings.broker.host}:{settings.broker.port}",
        "running": running,
        "time_ms": page.time_ms if page else None,
        "clock": str(page.clock) if page else None,
        "settings": {"file": str(path), "digest": _digest(path), "desired": held},
        "lines": [_line(entry, page) for entry in settings.lines],
        "devices": devices,
        "rules": msgspec.to_builtins(page.rules) if page else [],
        "rules_count": {"alarms": len(settings.alarms), "controls": len(settings.controls)},
        "link": msgspec.to_builtins(page.link) if page else None,
        "doctor": _doctor(state, settings, ill, tell) if ask and running else [],
        "certificate": enrolled,
        "not_well": wrong,
    }


def _chain(enrolled: Mapping[str, Any] | None) -> list[Mapping[str, Any]]:
    """Return the gateway's certificate and those that it is certified by."""
    return [enrolled, *enrolled["chain"]] if enrolled else []


def _digest(path: Path) -> str:
    from edge.configuration import note

    return note.local_digest(path)


def _page(state: Path, wrong: list[NotWell]) -> "Page | None":
    """Return how the running gateway is; where none answers, that is not well."""
    from edge.local import client
    from edge.local.words import Page, Refused, Watch

    try:
        for news in client.streamed(state, Watch(count=1000)):
            if isinstance(news, Page):
                return news
            if isinstance(news, Refused):
                wrong.append(_not("not_running", news.text))
    except client.NoAnswerError as error:
        wrong.append(_not("not_running", str(error)))
    return None


def _identified(state: Path, settings: "Settings", page: "Page", tell: Tell) -> dict[str, dict[str, Any]]:
    """Ask each device that answers what it is; the silent ones would take half a minute each."""
    from edge.local import client
    from edge.local.words import DeviceTold, IdentifyUnit

    told = {}
    answering = {it.report.device for it in page.devices if any(v.value is not None for v in it.values)}
    for device in settings.devices:
        if device.name not in answering:
            continue
        tell(device.name)
        try:
            for news in client.streamed(state, IdentifyUnit(device.line, device.unit_id)):
                if isinstance(news, DeviceTold):
                    it = news.identified
                    told[device.name] = {
                        "verdict": str(it.verdict),
                        "best": it.candidates[0].profile if it.candidates else "",
                        "vendor": it.vendor,
                        "product": it.product,
                        "revision": it.revision,
                    }
        except client.NoAnswerError:
            break  # it has ended: nobody else can be asked either
    return told


def _devices(
    settings: "Settings",
    profiles: "dict[str, Profile]",
    page: "Page | None",
    identified: Mapping[str, dict[str, Any]],
    wrong: list[NotWell],
) -> Iterator[dict[str, Any]]:
    import msgspec

    from edge.bundle.parts import profile_digest

    seen = {it.report.device: it for it in page.devices} if page else {}
    for device in settings.devices:
        it, known = seen.get(device.name), identified.get(device.name)
        values = msgspec.to_builtins(it.values) if it else []
        state = it.report.state if it else None
        if it and state != "ok":
            wrong.append(_not(f"device_{state}", device.name, it.report.last_error))
        if it and not values:
            wrong.append(_not("no_values", device.name))
        if bad := [value["point"] for value in values if value["quality"] != "good"]:
            wrong.append(_not("values", device.name, ", ".join(bad[:8]) + (" ..." if len(bad) > 8 else "")))
        if known and known["verdict"] in ("certain", "likely") and known["best"] != device.profile:
            wrong.append(_not("other_profile", device.name, device.profile, known["best"]))
        yield {
            "device": device.name,
            "title": device.title,
            "part": device.part,
            "line": device.line,
            "unit_id": device.unit_id,
            "profile": device.profile,
            "profile_digest": profile_digest(profiles[device.name]),
            "firmware": device.firmware,
            "shims": list(device.shims),
            "state": state,
            "share": it.report.share if it else None,
            "answer_s": it.report.answer_s if it else None,
            "timeouts": it.report.timeouts if it else None,
            "last_error": it.report.last_error if it else "",
            "identified": known,
            "values": values,
            "values_count": it.values_count if it else 0,
        }


def _line(entry: Any, page: "Page | None") -> dict[str, Any]:
    """Return a line as it is set, and what of its time is used."""
    seen = next((it for it in page.lines if it.line == entry.name), None) if page else None
    where = entry.port if entry.kind == "serial" else f"{entry.host}:{entry.port}"
    written = ""
    if hasattr(entry, "baud"):
        written = f"{entry.baud} {entry.data_bits}{entry.parity}{entry.stop_bits}"
        written += f" {entry.transmission_mode.upper()}"
    return {
        "line": entry.name,
        "kind": entry.kind,
        "where": where,
        "format": written,
        "share": seen.share if seen else None,
    }


def _of_page(page: "Page") -> Iterator[NotWell]:
    """Yield what of link, clock and rules is not well."""
    if page.clock != "synchronised":
        yield _not("clock", str(page.clock))
    if page.link.connected_since_ms is None:
        yield _not("not_connected", page.link.broker, page.link.last_error)
    for lane in page.link.waiting:
        if (
            lane.batches
            and lane.oldest_ms is not None
            and page.time_ms - lane.oldest_ms > OLD_BACKLOG_S * 1000
        ):
            yield _not("backlog", lane.lane, lane.batches)
    for why in page.rules:
        if why.state != "running" or any(fact.name in ("lock", "local", "centre") for fact in why.facts):
            yield _not("rule", why.name, why.state)


def _doctor(state: Path, settings: "Settings", ill: set[str], tell: Tell) -> list[dict[str, Any]]:
    """Have the lines examined on which somebody does not answer as it should."""
    from edge.local import client
    from edge.local.words import Examine, Examined

    told = []
    for line in settings.lines:
        if line.kind != "serial" or line.name not in ill:
            continue
        tell(line.name)
        try:
            for news in client.streamed(state, Examine(line.name, 5)):
                if isinstance(news, Examined):
                    causes = [
                        {"cause": str(it.cause), "units": list(it.units), "weight": it.weight}
                        for it in news.diagnosis.causes[:3]
                    ]
                    told.append({"line": line.name, "clear": news.diagnosis.clear, "causes": causes})
        except client.NoAnswerError:
            break
    return told


def _not(what: str, *of: object) -> NotWell:
    return {"what": what, "of": [str(each) for each in of]}
