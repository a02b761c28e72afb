"""A centre with people, asked over its interface as browsers and programs do."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import select

from collector import key_file
from collector.people.roles import Role
from collector.service import Collector
from collector.tables import audit
from tests.collector.making import Clock, given, greeting, hello, settings, standing

QUICK = """[people]
argon2_memory_kib = 7168
argon2_passes = {passes}
argon2_lanes = 1
"""
PASSWORD = "tram heron velvet 9 pier"
OTHER_PASSWORD = "granite moth umbrella 4"
OWN = {"X-Gengfu-Request": "1"}


@dataclass
class House:
    """A centre, and who is known to sign in there."""

    collector: Collector
    clock: Clock
    cookies: dict[str, str] = field(default_factory=dict)

    def ask(
        self,
        method: str,
        path: str,
        *,
        session: str = "",
        token: str = "",
        client: str = "127.0.0.1",
        base: str = "http://127.0.0.1:8780",
        **more: Any,
    ) -> httpx.Response:
        """Send one request, as whoever has the session or token."""
        headers = dict(more.pop("headers", {}))
        if session:
            headers = {"Cookie": f"gengfu_session={self.cookies[session]}"} | OWN | headers
        if token:
            headers["Authorization"] = f"Bearer {token}"

        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self.collector.app, client=(client, 40_000))
            async with httpx.AsyncClient(transport=transport, base_url=base) as asking:
                return await asking.request(method, path, headers=headers, **more)

        return asyncio.run(send())

    def add(self, name: str, role: Role, password: str = PASSWORD, **more: Any) -> httpx.Response:
        """Add a user: the first as whoever is on this machine, others as ``root``'s session."""
        body = {"name": name, "role": str(role), "password": password} | more
        session = "boss" if "boss" in self.cookies else ""
        return self.ask("POST", "/api/v1/users", session=session, json=body)

    def sign_in(self, name: str, password: str = PASSWORD, **more: Any) -> httpx.Response:
        """Sign in; a good answer's cookie is kept under the name."""
        answer = self.ask("POST", "/api/v1/session", json={"name": name, "password": password}, **more)
        if answer.status_code == 200:
            self.cookies[name] = answer.headers["set-cookie"].partition("=")[2].partition(";")[0]
        return answer

    def people(self, *roles: Role) -> None:
        """Add ``boss``, an administrator, and somebody of each role, called as it is; all sign in."""
        assert self.add("boss", Role.ADMINISTRATOR).status_code == 200
        assert self.sign_in("boss").status_code == 200
        for role in roles:
            assert self.add(role.value, role).status_code == 200
            assert self.sign_in(role.value).status_code == 200

    def token(self, name: str, role: Role, **more: Any) -> str:
        """Have a token made, as ``boss``."""
        body = {"name": name, "role": str(role)} | more
        answer = self.ask("POST", "/api/v1/tokens", session="boss", json=body)
        assert answer.status_code == 200, answer.text
        told: str = answer.json()["token"]
        return told

    def notes(self) -> list[tuple[str, str, str]]:
        """Return who did what to what, in order."""
        query = select(audit.c.who, audit.c.action, audit.c.target).order_by(audit.c.row)
        query = query.where(audit.c.action != "parts.import")  # the settings' register, at the start
        return [tuple(row) for row in self.collector.state.read_now(lambda db: db.execute(query).all())]


@contextmanager
def house(folder: Path, *, tables: str = "", passes: int = 1) -> Iterator[House]:
    """Put a centre together that can sign what it sends, and knows gw-1."""
    clock, loaded = Clock(), settings(folder, tables=QUICK.format(passes=passes) + tables)
    if not (loaded.data_folder / key_file.FILE_NAME).exists():
        key_file.make(loaded.data_folder)
    with standing(loaded, clock) as collector:
        given(collector, [hello(greeting(1, 1))])
        yield House(collector, clock)
