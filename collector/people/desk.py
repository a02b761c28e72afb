"""The desk of people: who a request comes from, and everything that signs in and out."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Connection, Row

from collector.database import Database
from collector.people import audit, secret, sessions, users
from collector.people.passwords import Hasher, problems
from collector.people.roles import CENTRE, Actor, Role
from collector.people.secret import RandomBytes
from collector.people.sessions import Found
from collector.people.settings import People
from collector.people.throttle import Throttle
from collector.people.users import PeopleError, UnknownNameError

HASHINGS_MAX = 2
"""Each takes ``argon2_memory_kib`` while it lasts."""
WAITING_MAX = 20
REFUSALS_NOTED_PER_HOUR_MAX = 600
"""More of them are no news, and the audit trail is no place for whoever floods it."""
WRONG = "name or password is wrong"
"""Whichever it is, and also where the user is disabled."""


Result = TypeVar("Result")


class WrongPasswordError(Exception):
    """The name or the password is wrong; nothing says which."""


class TooSoonError(Exception):
    """Too many were wrong; ``wait_s`` says for how long nothing is looked at."""

    def __init__(self, wait_s: float) -> None:
        """Keep it."""
        super().__init__(f"too many wrong passwords; try again in {max(1, round(wait_s))} s")
        self.wait_s = max(1, round(wait_s))


class BusyError(Exception):
    """Too many passwords are looked at already."""


class WeakPasswordError(PeopleError):
    """The password is guessed too easily; the text says why."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A session that was just opened; ``secret`` is for its cookie, and told once."""

    secret: str
    user: Row[Any]
    expires_ms: int


class PeopleDesk:
    """Knows who is there; as long as nobody is, this machine's own people act without a sign-in."""

    def __init__(
        self,
        settings: People,
        state: Database,
        *,
        now_ms: Callable[[], int],
        monotonic_s: Callable[[], float],
        random_bytes: RandomBytes,
    ) -> None:
        """``random_bytes`` must be such as nobody can guess."""
        self.settings, self.state, self.now_ms = settings, state, now_ms
        self.random_bytes = random_bytes
        self._monotonic_s = monotonic_s
        self._hasher = Hasher(settings)
        self._hashing = asyncio.Semaphore(HASHINGS_MAX)
        self._waiting = 0
        self._noted = (0, 0)
        self._any_there = False
        self.throttle = Throttle(
            free=settings.refusals_free,
            wait_max_s=settings.lockout_max_s,
            tracked_max=settings.refusals_tracked_max,
        )

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

    async def sign_in(self, name: str, password: str, *, address: str, user_agent: str) -> Opened:
        """Open a session; WrongPasswordError, TooSoonError or BusyError where there is none."""
        user = await self.verified(name, password, address)
        told, now_ms = secret.session_secret(self.random_bytes), self.now_ms()

        def work(connection: Connection) -> int:
            now = users.one(connection, name)
            if now.disabled or now.password_ms != user.password_ms:  # changed while it was looked at
                raise UnknownNameError(name)
            expires_ms = sessions.opened(
                connection,
                user.row,
                secret.digest(told),
                now_ms,
                lifetime_ms=self.settings.session_lifetime_s * 1000,
                sessions_max=self.settings.sessions_per_user_max,
                user_agent=user_agent,
                address=address,
            )
            actor = Actor(name, Role(now.role))
            audit.note(connection, actor, now_ms, "session.open", f"user/{name}", {"address": address})
            return expires_ms

        try:
            return Opened(told, user, await self.state.write(work))
        except UnknownNameError as error:
            raise WrongPasswordError(WRONG) from error

    async def verified(self, name: str, password: str, address: str) -> Row[Any]:
        """Return the user of this name and password; it takes as long whatever is wrong."""
        now_s = self._monotonic_s()
        if wait_s := self.throttle.wait_s(name, address, now_s):
            raise TooSoonError(wait_s)
        if self._waiting >= WAITING_MAX:
            raise BusyError("too many sign in at once; try again in a moment")
        self.throttle.tried(name, address, now_s)
        user = await self.state.read(lambda db: _user_or_none(db, name))
        right = await self._hashed_aside(lambda: self._is_right(user, password))
        if user is None or user.disabled or not right:
            await self._note_refusal(name if user else "", address)
            raise WrongPasswordError(WRONG)
        self.throttle.right(name, address)
        if self._hasher.outdated(user.password_hash):
            fresh = await self.hashed(password)
            await self.state.write(lambda db: users.rehash(db, user.row, user.password_hash, fresh))
        return user

    async def hashed(self, password: str) -> str:
        """Hash a password, beside the loop; few at once."""
        return await self._hashed_aside(lambda: self._hasher.hashed(password))

    async def checked_and_hashed(self, password: str, *names: str) -> str:
        """Hash a new password; WeakPasswordError where it is none to have."""
        if told := problems(password, *names):
            raise WeakPasswordError(told[0])
        return await self.hashed(password)

    def _is_right(self, user: Row[Any] | None, password: str) -> bool:
        if user is None:
            self._hasher.waste(password)
            return False
        return self._hasher.verified(user.password_hash, password)

    async def _hashed_aside(self, work: Callable[[], Result]) -> Result:
        self._waiting += 1
        try:
            async with self._hashing:
                return await asyncio.to_thread(work)
        finally:
            self._waiting -= 1

    async def _note_refusal(self, name: str, address: str) -> None:
        """Note a wrong password for somebody that there is, or for nobody; so many an hour."""
        now_ms = self.now_ms()
        hour, count = self._noted
        self._noted = (hour, count + 1) if hour == now_ms // 3_600_000 else (now_ms // 3_600_000, 1)
        if self._noted[1] > REFUSALS_NOTED_PER_HOUR_MAX:
            return
        target, detail = f"user/{name}" if name else "user", {"address": address}
        await self.state.write(lambda db: audit.note(db, CENTRE, now_ms, "session.refuse", target, detail))


def _user_or_none(connection: Connection, name: str) -> Row[Any] | None:
    try:
        return users.one(connection, name)
    except UnknownNameError:
        return None
