"""PostgreSQL as a state database: its address, what is asked of the server, the engines.

One collector writes, so it holds the database's lock as long as its session lives. What is asked for is that
a commit which was told survives a power cut, and that texts are ordered as SQLite orders them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import psycopg
from psycopg import errors as psycopg_errors
from psycopg.types.string import StrDumper
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.pool import NullPool

from collector import storable

LOCK = 0x67656E676675
"""The advisory lock of the one collector that writes: "gengfu"."""
LOCK_WAIT_S = 3
"""A session that was killed is gone after a moment."""
CONNECT_TIMEOUT_S = 10
SILENT_MAX_S = 30
"""A server, or a client, that does not answer for so long is given up."""
VERSION_MIN = 13
COLLATIONS = ("C", "POSIX", "C.UTF-8", "C.utf8")
SYNCHRONOUS = ("on", "remote_apply")
OPTIONS = ("host", "sslmode", "sslrootcert", "sslcert", "sslkey", "channel_binding", "target_session_attrs")
"""What an address may say after its question mark, as libpq names it."""
_FORM = "write postgresql://USER@HOST:5432/DATABASE"
_LOCAL = ("", "127.0.0.1", "::1", "localhost")


@dataclass(frozen=True)
class Postgresql:
    """Where a database is; ``durable`` off, for tests, asks nothing of the server's disk."""

    url: str
    password: str = field(default="", repr=False)
    durable: bool = True

    @property
    def shown(self) -> str:
        """Return server and database, for people."""
        parts = urlsplit(self.url)
        host = parts.hostname or dict(parse_qsl(parts.query)).get("host", "")
        return f"{host}:{parts.port or 5432}{parts.path}"


def problem(url: str) -> str:
    """Say what is wrong with an address and what to write instead; empty where nothing is."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        return f"is no address ({error}); {_FORM}"
    told = dict(parse_qsl(parts.query, keep_blank_values=True))
    name = parts.path.strip("/")
    found = [
        (parts.scheme != "postgresql", f"is no address of a PostgreSQL; {_FORM}"),
        (parts.password is not None, "holds a password; write it to a file and name that as password_file"),
        (not parts.username or not name or "/" in name, f"names no user or no database; {_FORM}"),
        (bool(set(told) - set(OPTIONS)), f"has an option that is not one of {', '.join(OPTIONS)}"),
        (
            not parts.hostname and not told.get("host", "").startswith("/"),
            f"names no host; {_FORM}, or ?host=/var/run/postgresql for a socket",
        ),
    ]
    return next((what for wrong, what in found if wrong), "")


def writer(place: Postgresql) -> Engine:
    """Return an engine each of whose sessions holds the lock and found the server to be as it must be.

    What is in the way is raised as a psycopg error, which SQLAlchemy passes on as its own.
    """
    engine = create_engine(
        _address(place),
        poolclass=NullPool,
        connect_args=_arguments("writer"),
        execution_options={"preserve_rowcount": True},  # of an INSERT as well: it says whether it did
    )

    @event.listens_for(engine, "connect")
    def _set_up(dbapi: Any, _record: Any) -> None:
        _prepare(dbapi)
        with dbapi.cursor() as cursor:
            if found := _unfit(cursor, place):
                raise psycopg.OperationalError(found)
            _lock(cursor)
        dbapi.commit()

    return engine


def readers(place: Postgresql, readers_max: int) -> Engine:
    """Return an engine whose transactions only read, and see one state of the database."""
    engine = create_engine(
        _address(place),
        pool_size=readers_max,
        max_overflow=0,
        pool_pre_ping=True,  # a restart of the server costs nobody a query
        isolation_level="REPEATABLE READ",
        connect_args=_arguments("reader"),
        execution_options={"postgresql_readonly": True},
    )

    @event.listens_for(engine, "connect")
    def _set_up(dbapi: Any, _record: Any) -> None:
        _prepare(dbapi)

    return engine


class _Text(StrDumper):
    """Text without NUL, also where somebody forgot that PostgreSQL has none: it must not stop anything."""

    def dump(self, obj: str) -> Any:
        return super().dump(storable.text(obj))


def _prepare(dbapi: Any) -> None:
    dbapi.adapters.register_dumper(str, _Text)


def _address(place: Postgresql) -> URL:
    parts = urlsplit(place.url)
    told = dict(parse_qsl(parts.query))
    host = parts.hostname or ""
    if host not in _LOCAL:
        told.setdefault("sslmode", "verify-full")
    return URL.create(
        "postgresql+psycopg",
        username=parts.username,
        password=place.password or None,
        host=host or None,
        port=parts.port,
        database=parts.path.strip("/"),
        query=told,
    )


def _arguments(role: str) -> Mapping[str, Any]:
    """Return what every session asks for: that whoever falls silent is noticed, here and by the server."""
    third_s = SILENT_MAX_S // 3
    server = {
        "tcp_keepalives_idle": third_s,
        "tcp_keepalives_interval": third_s,
        "tcp_keepalives_count": 2,
        "timezone": "UTC",
        "search_path": "public",
    }
    return {
        "application_name": f"gengfu-collector-{role}",
        "connect_timeout": CONNECT_TIMEOUT_S,
        "keepalives_idle": third_s,
        "keepalives_interval": third_s,
        "keepalives_count": 2,
        "tcp_user_timeout": SILENT_MAX_S * 1000,
        "options": " ".join(f"-c {name}={value}" for name, value in server.items()),
    }


def _unfit(cursor: Any, place: Postgresql) -> str:
    """Say what the server must be told to be, and is not; empty where all is well."""

    def asked(query: str) -> Any:
        return cursor.execute(query).fetchone()

    version = int(asked("SHOW server_version_num")[0]) // 10_000
    if version < VERSION_MIN:
        return f"{place.shown} is PostgreSQL {version}; a centre needs {VERSION_MIN} or later"
    encoding, collation = asked(
        "SELECT pg_encoding_to_char(encoding), datcollate FROM pg_database WHERE datname = current_database()"
    )
    if encoding != "UTF8" or collation not in COLLATIONS:
        return (
            f"{place.shown} orders texts by {collation} in {encoding}; make it anew with "
            "createdb --template=template0 --encoding=UTF8 --locale=C"
        )
    if place.durable and (found := _forgetful(asked)):
        return f"{place.shown} has {found}"
    if asked("SELECT pg_is_in_recovery()")[0] or asked("SHOW transaction_read_only")[0] == "on":
        return f"{place.shown} only reads (a standby?); name the server that takes writes"
    return ""


def _forgetful(asked: Callable[[str], Any]) -> str:
    """Say which setting lets a power cut take what was told as committed, and what to do."""
    commits = asked("SHOW synchronous_commit")[0]
    if commits not in SYNCHRONOUS:
        return (
            f"synchronous_commit = {commits}: what was acknowledged could be lost; "
            "set it on in postgresql.conf, and for this role and database"
        )
    for name in ("fsync", "full_page_writes"):
        if asked(f"SHOW {name}")[0] != "on":
            return f"{name} = off: a power cut would damage it; set it on in postgresql.conf"
    return ""


def _lock(cursor: Any) -> None:
    try:
        cursor.execute(f"SET lock_timeout = '{LOCK_WAIT_S}s'")
        cursor.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
        cursor.execute("SET lock_timeout = 0")
    except psycopg_errors.LockNotAvailable as error:
        raise psycopg.OperationalError(
            "the database is in use by another collector; "
            "stop that one, or give this one a database of its own"
        ) from error
