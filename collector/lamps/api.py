"""The interface to lamps: their nights, page by page, and the month's report as JSON, CSV or HTML."""

from datetime import date
from typing import Annotated, Literal

from fastapi import APIRouter, HTTPException, Query, Response
from fastapi.responses import HTMLResponse, StreamingResponse

from collector import queries
from collector.api import Cursor, Filter, Limit, names
from collector.lamps.nights import Key, Span, key
from collector.lamps.page import page as html_page
from collector.lamps.reading import Busy, LampReading, Month
from collector.lamps.views import LampNightView, LampReportView, night_view, report_view
from collector.lamps.words import Language
from collector.views import Page, RefusalView

From = Annotated[date | None, Query(alias="from", description="The first night, YYYY-MM-DD.")]
To = Annotated[date | None, Query(alias="to", description="The last night, YYYY-MM-DD.")]
MonthName = Annotated[str, Query(pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])$", description="YYYY-MM.")]
Form = Annotated[Literal["json", "csv", "html"], Query(alias="format")]
HTML_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""The page needs nothing else, so it may fetch nothing."""


def router(reading: LampReading) -> APIRouter:
    """Return the paths below ``/lamps``."""
    app = APIRouter(prefix="/lamps")
    _add_nights(app, reading)
    _add_report(app, reading)
    return app


def _add_nights(app: APIRouter, reading: LampReading) -> None:
    @app.get("/nights")
    async def get_nights(
        gateway: Filter = "",
        lamp: Filter = "",
        first: From = None,
        last: To = None,
        limit: Limit = 100,
        cursor: Cursor = "",
    ) -> Page[LampNightView]:
        """Nights of lamps by gateway, night and lamp: planned, commanded, measured; ``to`` is included."""
        if lamp and not gateway:
            raise HTTPException(422, "lamp: cabinets have lamps of the same name; give gateway as well")
        if first and last and first > last:
            raise HTTPException(422, f"from {first} is after to {last}; nothing lies between")
        span = Span(first.isoformat() if first else "", (last or date.max).isoformat(), gateway, lamp)
        after = Key(*names(cursor, 3)) if cursor else None
        if after and gateway not in ("", after.gateway):
            raise HTTPException(422, "cursor: not one of this gateway; send `next` of the page before")
        records = await reading.page(span, after, limit + 1)
        shown = [night_view(*record, reading.zone) for record in records]
        cursors = {id(view): "/".join(key(record)) for view, record in zip(shown, records, strict=True)}
        return queries.page(shown, limit, lambda item: cursors[id(item)])


def _add_report(app: APIRouter, reading: LampReading) -> None:
    @app.get(
        "/report",
        response_model=LampReportView,
        responses={
            200: {"content": {"text/csv": {}, "text/html": {}}},
            503: {"model": RefusalView},
        },
    )
    async def get_report(
        month: MonthName, form: Form = "json", lang: Language = "en"
    ) -> LampReportView | Response:
        """A month of lamps: figures, nights, cabinets, troubled lamps; as CSV, every lamp and night."""
        try:
            nights = Month.named(month)
        except ValueError as error:
            raise HTTPException(422, f"month: there is no {month}; write it as 2026-11") from error
        if form == "csv":
            name = f"lamps-{reading.district}-{month}.csv"
            return StreamingResponse(
                reading.csv(nights),
                media_type="text/csv; charset=utf-8",
                headers={"Content-Disposition": f'attachment; filename="{name}"'},
            )
        try:
            report = await reading.report(nights)
        except Busy as error:
            raise HTTPException(503, f"{error}; try again in a moment") from error
        if form == "html":
            return HTMLResponse(html_page(report, lang), headers={"Content-Security-Policy": HTML_POLICY})
        return report_view(report, lang)
