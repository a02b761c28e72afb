"""The desk of people: who a request comes from, and everything that signs in and out."""

import asyncio
from collections.abc import Callable

from collector.database import Database
from collector.people import secret, sessions, users
from collector.people.passwords import Hasher
from collector.people.secret import RandomBytes
from collector.people.sessions import Found
from collector.people.settings import People

HASHINGS_MAX = 2
"""Each takes ``argon2_memory_kib`` while it lasts."""


class PeopleDesk:
    """Knows who is there; as long as nobody is, this machine's own people act without a sign-in."""

    def __init__(
        self, settings: People, state: Database, *, now_ms: Callable[[], int], random_bytes: RandomBytes
    ) -> None:
        """``random_bytes`` must be such as nobody can guess."""
        self.settings, self.state, self.now_ms = settings, state, now_ms
        self.random_bytes = random_bytes
        self.hasher = Hasher(settings)
        self.hashing = asyncio.Semaphore(HASHINGS_MAX)
        self._any_there = False

    def begin(self) -> None:
        """Look whether there are users."""
        self._any_there = self.state.read_now(users.any_there)

    async def any_there(self) -> bool:
        """Say whether there are users; once there are, there always will be."""
        self._any_there = self._any_there or await self.state.read(users.any_there)
        return self._any_there

    async def found(self, *, token: str = "", cookie: str = "") -> Found | None:
        """Return who has this token or session; None where nobody has."""
        told = token or cookie
        if not told or len(told) > secret.SECRET_CHARACTERS_MAX:
            return None
        now_ms, digest = self.now_ms(), secret.digest(told)
        idle_ms = self.settings.session_idle_s * 1000
        if token:
            found = await self.state.read(lambda db: sessions.by_token(db, digest, now_ms))
        else:
            found = await self.state.read(lambda db: sessions.by_cookie(db, digest, now_ms, idle_ms))
        if found and found.noted_late:
            late = found
            await self.state.write(lambda db: sessions.note_use(db, late, now_ms))
        return found

    async def hashed(self, password: str) -> str:
        """Hash a password, beside the loop; few at once."""
        async with self.hashing:
            return await asyncio.to_thread(self.hasher.hashed, password)
