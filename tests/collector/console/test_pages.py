"""The console in Debian's Chromium: an alarm appears, is acknowledged, and its case is followed."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiomqtt
import pytest
from msgspec.structs import replace
from playwright.async_api import Browser, Page, Request, async_playwright, expect

from collector.alarms.tables import conditions
from collector.service import Collector, World, running
from collector.tables import alarms, cases
from contract import topics
from contract.samples import Sample
from contract.topics import Lane
from simulators import programs
from simulators.mosquitto import Mosquitto
from tests.collector.making import happened, raised, rows, settings, telemetry
from tests.collector.test_whole import Gateway, broker, gateway, until

__all__ = ["broker"]
pytestmark = pytest.mark.xdist_group("broker")
WAIT_MS = 30_000
LOOKS_MAX = 2
"""A page looks once a second: so many looks after the centre shows an alarm, the page does."""


@contextlib.asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Start the browser that make setup found or brought."""
    found = programs.find("chromium")
    assert found, "no chromium; make setup brings it"
    async with async_playwright() as playwright:
        path, environment = found
        browser = await playwright.chromium.launch(
            executable_path=path, env={**environment}, args=["--no-sandbox", "--disable-gpu"]
        )
        try:
            yield browser
        finally:
            await browser.close()


@contextlib.asynccontextmanager
async def looking(tmp_path: Path, port: int, language: str) -> AsyncIterator[tuple[Collector, Gateway, Page]]:
    """Run a centre with a gateway, and open its console; every request goes to the centre itself."""
    async with (
        running(settings(tmp_path, port=port), World.real()) as collector,
        gateway(port) as speaker,
        chromium() as browser,
    ):
        await until(lambda: collector.link.connected)
        await speaker.say_hello(1, 1)
        page = await browser.new_page(locale=language)
        page.set_default_timeout(WAIT_MS)
        asked: list[str] = []
        complaints: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: complaints.append(message.text))  # what its policy forbids, too
        yield collector, speaker, page
        assert [url for url in asked if not url.startswith(f"{collector.url}/")] == []
        assert [each for each in complaints if "409 (Conflict)" not in each] == []


async def alarm_now(speaker: Gateway) -> None:
    """Let a sensor's pressure fall, and its gateway raise the alarm."""
    now_ms = time.time_ns() // 1_000_000
    falling = [
        Sample(now_ms - 60_000 + 1000 * n, "main-pressure", "pressure", 300.0 - 4 * n) for n in range(60)
    ]
    event = replace(raised(1), time_ms=now_ms, message="Pressure below 140 kPa", value=64.0, limit=140.0)
    await speaker.client.publish(topics.up("north", "gw-1", Lane.TELEMETRY), telemetry(1, falling), qos=1)
    await speaker.client.publish(topics.up("north", "gw-1", Lane.EVENTS), happened(1, event), qos=1)


@pytest.mark.parametrize(
    ("language", "acknowledge", "filed"),
    [("zh-CN", "确认", "案卷建立"), ("en-US", "Acknowledge", "filed")],
)
def test_an_alarm_appears_is_acknowledged_and_its_case_is_followed(
    broker: Mosquitto, tmp_path: Path, language: str, acknowledge: str, filed: str
) -> None:
    """Without anybody loading the page again; the trend shows what the sensor measured."""

    async def scenario() -> None:
        async with looking(tmp_path, broker.port, language) as (collector, speaker, page):
            await page.goto(f"{collector.url}/console")
            looks: list[Request] = []
            page.on(
                "request",
                lambda request: looks.append(request) if "x-gengfu-part" in request.headers else None,
            )
            await alarm_now(speaker)
            await until(lambda: len(rows(collector.state, alarms)) == 1)
            looks.clear()
            row = page.locator("tr.unacked", has_text="Pressure below 140 kPa")
            await expect(row).to_be_visible(timeout=WAIT_MS)
            assert len(looks) <= LOOKS_MAX + 1  # one may have been under way

            await row.get_by_role("button", name=acknowledge, exact=True).click()
            await expect(page.locator("tr.unacked")).to_have_count(0, timeout=WAIT_MS)
            [condition] = collector.state.read_now(lambda db: db.execute(conditions.select()).all())
            assert (condition.acked, condition.acked_by) == (True, "local")

            await page.get_by_role("link", name="Pressure below 140 kPa").click()
            await expect(page.locator("svg.trend polyline")).to_have_count(1, timeout=WAIT_MS)
            [case] = collector.state.read_now(lambda db: db.execute(cases.select()).all())
            await page.get_by_role("link", name=case.number).click()
            await expect(page.locator(".stages .now")).to_have_text(filed, timeout=WAIT_MS)
            await expect(page.locator("dd", has_text="抢修队")).to_have_count(1)

    asyncio.run(scenario())


def test_a_case_goes_on_by_the_steps_that_its_page_offers(broker: Mosquitto, tmp_path: Path) -> None:
    """What the life of a case does not allow is said in the reader's language."""

    async def scenario() -> None:
        async with looking(tmp_path, broker.port, "zh-CN") as (collector, speaker, page):
            await alarm_now(speaker)
            await until(lambda: len(rows(collector.state, cases)) == 1)
            await page.goto(f"{collector.url}/console/cases")
            await page.locator("a.card").click()
            step = page.locator("form.step")
            await expect(page.locator(".stages .now")).to_have_text("案卷建立", timeout=WAIT_MS)
            await step.locator("select").select_option("dispatch")
            await step.locator("[name=department]").fill("抢修队")
            await step.get_by_role("button").click()
            await expect(page.locator(".stages .now")).to_have_text("任务派遣", timeout=WAIT_MS)
            await step.locator("select").select_option("take_in_hand")
            await step.get_by_role("button").click()
            await expect(page.locator(".stages .now")).to_have_text("任务处理", timeout=WAIT_MS)
            await step.locator("select").select_option("report")
            await step.get_by_role("button").click()
            await expect(page.locator(".toast")).to_contain_text("说明", timeout=WAIT_MS)

    with contextlib.suppress(aiomqtt.MqttError):
        asyncio.run(scenario())


def test_devices_show_value_quality_and_age_and_newest_values_flow_while_somebody_looks(
    broker: Mosquitto, tmp_path: Path
) -> None:
    """The gateway hears that somebody watches."""

    async def scenario() -> None:
        async with looking(tmp_path, broker.port, "en-US") as (collector, speaker, page):
            await alarm_now(speaker)
            await until(lambda: len(rows(collector.state, alarms)) == 1)
            await page.goto(f"{collector.url}/console/devices")
            row = page.locator('[data-point="main-pressure/pressure"]')
            await expect(row.locator("b")).to_have_text("64", timeout=WAIT_MS)
            await expect(row.locator(".quality")).to_have_text("good")
            await until(lambda: "gw-1" in collector.live._listeners)

    asyncio.run(scenario())
