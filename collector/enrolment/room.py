"""Enrolment put together: desk, port, list of the revoked. Part of the wiring."""

import contextlib
import socket
from collections.abc import AsyncIterator, Coroutine, Iterator
from typing import Any

from fastapi import APIRouter

from collector import mqtt
from collector.database import Database
from collector.enrolment import api, listener
from collector.enrolment.answering import Answering
from collector.enrolment.cutting import BrokerSide, Cutting
from collector.enrolment.desk import EnrolmentDesk
from collector.enrolment.settings_files import EnrolmentFiles
from collector.settings import Loaded
from collector.world import World


class EnrolmentRoom:
    """Everything of enrolment; without an authority, an interface that says so."""

    def __init__(self, loaded: Loaded, world: World, state: Database, public_keys: list[str]) -> None:
        """``public_keys`` are what gateways are to believe documents by."""
        self._loaded, self._world, self._state = loaded, world, state
        self.url = ""
        """Where gateways enrol, once it is served."""
        self._public_keys = public_keys
        self.desk: EnrolmentDesk | None = None
        self.cutting: Cutting | None = None
        if loaded.enrolment:
            self.desk = EnrolmentDesk(
                loaded.settings.enrolment,
                loaded.settings.district,
                loaded.enrolment.authority,
            )
            self.cutting = self._cutting(loaded.enrolment)

    def router(self) -> APIRouter:
        """Return what people see of it."""
        world = self._world
        return api.router(
            api.Sources(self._state, self.desk, self.cutting, world.now_ms, world.random.randbytes)
        )

    def loops(self) -> Iterator[Coroutine[Any, Any, None]]:
        """Yield everything that runs until it is cancelled."""
        if self.cutting:
            yield self.cutting.run()

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Serve gateways while the context is open; OSError where the port is taken."""
        if self.desk is None or self.cutting is None or self._loaded.enrolment is None:
            yield
            return
        settings, files = self._loaded.settings.enrolment, self._loaded.enrolment
        facts = {"district": self._loaded.settings.district, "public_keys": self._public_keys}
        answering = Answering(
            self.desk, self._state, facts, now_ms=self._world.now_ms, learnt=self.cutting.owe
        )
        served = listener.Listener(
            answering.answer,
            connections_max=settings.connections_max,
            timeout_s=settings.request_timeout_s,
            monotonic_s=self._world.monotonic_s,
        )
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        with socket.socket(family) as port:
            port.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            port.bind((settings.host, settings.port))
            host = f"[{settings.host}]" if family is socket.AF_INET6 else settings.host
            self.url = f"https://{host}:{port.getsockname()[1]}"
            async with served.serving(port, listener.context(files.tls, files.authority.pem)):
                yield

    def _cutting(self, files: EnrolmentFiles) -> Cutting:
        settings, tls = self._loaded.settings, self._loaded.broker_tls
        broker = None
        if tls:
            broker = BrokerSide(
                settings.broker.host,
                settings.broker.port,
                tls.trusting,
                lambda context, gateway: mqtt.take_over(settings.broker, context, settings.district, gateway),
            )
        return Cutting(
            settings.enrolment,
            settings.district,
            files.authority,
            self._state,
            self._world,
            list_file=files.list_file,
            pid_file=files.pid_file,
            broker=broker,
        )
