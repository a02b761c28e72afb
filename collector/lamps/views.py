"""What the API answers about lamps. Times are UTC milliseconds, durations seconds, energy watt-hours."""

from datetime import date, tzinfo

from pydantic import BaseModel

from collector.lamps.report import LampMonth, Report
from collector.lamps.words import Language, rules
from contract.events import LampChange, LampNight
from contract.samples import ClockState
from lighting import nights
from lighting.figures import Figures, was_lit, was_seen


class LampChangeView(BaseModel):
    """A level in per cent, from when on, and its reason."""

    at_ms: int
    level: int
    reason: str


class LampNightView(BaseModel):
    """One lamp in one night, from ``begins_ms`` to ``ends_ms``; ``plan`` 0 for none.

    ``lit`` and ``seen`` are null where it was not to burn, ``energy_wh`` where nobody measured.
    """

    gateway: str
    lamp: str
    device: str
    part: str
    night: date
    begins_ms: int
    ends_ms: int
    time_ms: int
    clock: ClockState
    plan: int
    planned: list[LampChangeView]
    commanded: list[LampChangeView]
    measured: list[LampChangeView]
    lit: bool | None
    seen: bool | None
    should_s: int
    lit_s: int
    dark_s: int
    astray_s: int
    unpowered_s: int
    corrected: int
    energy_wh: float | None
    baseline_wh: float
    failures: list[str]


class FiguresView(BaseModel):
    """Lamp-nights by what they were, energy, and rates between 0 and 1 (null where nothing can be said).

    Of ``should``, ``missing`` have no record. Of ``energy_wh``, ``compared_wh`` stands against
    ``baseline_wh``; ``failures`` are lamp-nights by class.
    """

    records: int
    should: int
    lit: int
    unseen: int
    missing: int
    astray: int
    intact: int
    corrected: int
    energy_wh: float
    compared_wh: float
    baseline_wh: float
    lit_rate: float | None
    intact_rate: float | None
    saved_share: float | None
    failures: dict[str, int]


class NightFiguresView(FiguresView):
    """The figures of one night; of ``gateways`` so many were ``online``, null where nobody knows."""

    night: date
    online: float | None
    gateways: int | None


class CabinetFiguresView(FiguresView):
    """The figures of one gateway."""

    gateway: str


class TroubledLampView(BaseModel):
    """A lamp that failed or did not burn; of ``missing`` nights, on which it was to, there is no record."""

    gateway: str
    lamp: str
    part: str
    unlit_nights: list[date]
    missing: int
    failures: dict[str, int]


class LampReportView(BaseModel):
    """A month of lamps; of ``troubled_lamps`` the worst are told. ``rules`` say how it is counted."""

    district: str
    first: date
    last: date
    figures: FiguresView
    online_rate: float | None
    by_night: list[NightFiguresView]
    by_cabinet: list[CabinetFiguresView]
    troubled_lamps: int
    troubled: list[TroubledLampView]
    rules: list[str]


def night_view(gateway: str, night: LampNight, zone: tzinfo) -> LampNightView:
    """Return a record as the API tells it."""
    evening = date.fromisoformat(night.night)
    judged = night.should_s > 0
    return LampNightView(
        gateway=gateway,
        lamp=night.lamp,
        device=night.device,
        part=night.part,
        night=evening,
        begins_ms=nights.begins_ms(evening, zone),
        ends_ms=nights.begins_ms(evening + nights.DAY, zone),
        time_ms=night.time_ms,
        clock=night.clock,
        plan=night.plan,
        planned=_changes(night.planned),
        commanded=_changes(night.commanded),
        measured=_changes(night.measured),
        lit=was_lit(night) if judged else None,
        seen=was_seen(night) if judged else None,
        should_s=night.should_s,
        lit_s=night.lit_s,
        dark_s=night.dark_s,
        astray_s=night.astray_s,
        unpowered_s=night.unpowered_s,
        corrected=night.corrected,
        energy_wh=night.energy_wh,
        baseline_wh=night.baseline_wh,
        failures=night.failures,
    )


def report_view(report: Report, language: Language) -> LampReportView:
    """Return a settled report as the API tells it."""
    every = sorted({*report.by_night, *report.online})
    return LampReportView(
        district=report.district,
        first=report.first,
        last=report.last,
        figures=FiguresView.model_validate(_figures(report.whole)),
        online_rate=report.online_rate,
        by_night=[_night(report, night) for night in every],
        by_cabinet=[
            CabinetFiguresView.model_validate({"gateway": gateway} | _figures(figures))
            for gateway, figures in report.by_gateway.items()
        ],
        troubled_lamps=report.troubled_lamps,
        troubled=[_troubled(lamp) for lamp in report.troubled],
        rules=rules(language),
    )


def _night(report: Report, night: str) -> NightFiguresView:
    online = report.online.get(night)
    told = {
        "night": night,
        "online": online.online if online else None,
        "gateways": online.all if online else None,
    }
    return NightFiguresView.model_validate(told | _figures(report.by_night.get(night, Figures())))


def _troubled(lamp: LampMonth) -> TroubledLampView:
    return TroubledLampView(
        gateway=lamp.gateway,
        lamp=lamp.lamp,
        part=lamp.part,
        unlit_nights=[date.fromisoformat(night) for night in lamp.unlit_nights],
        missing=lamp.figures.missing,
        failures=lamp.figures.failures,
    )


def _figures(figures: Figures) -> dict[str, object]:
    rates = {name: getattr(figures, name) for name in ("lit_rate", "intact_rate", "saved_share")}
    return vars(figures) | rates


def _changes(changes: list[LampChange]) -> list[LampChangeView]:
    return [
        LampChangeView(at_ms=change.at_ms, level=change.level, reason=change.reason) for change in changes
    ]
