"""A real PostgreSQL on a free loopback port, with a cluster of its own in a folder.

PostgreSQL refuses to run as root: there it runs as Debian's ``postgres``, or as ``nobody``, and the folder
must lie where that user may go (pytest's own temporary folders do not).
"""

import ctypes
import os
import pwd
import secrets
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from simulators import programs
from simulators.errors import SimulatorError
from simulators.servers import HOST, START_TIMEOUT_S, STOP_TIMEOUT_S, Server

PR_SET_PDEATHSIG = 1
USERS = ("postgres", "nobody")
INIT_TIMEOUT_S = 60.0
OWNER = "gengfu"
_NOT_DURABLE = {"fsync": "off", "full_page_writes": "off"}


class PostgresError(SimulatorError):
    """PostgreSQL is missing or did not start; the text says what to do."""


class Postgres(Server):
    """One server; ``OWNER`` may do everything there, with ``password``."""

    name = "postgres"
    error = PostgresError

    def __init__(self, folder: Path, port: int | None = None, *, durable: bool = True) -> None:
        """``durable`` off spares the disk, where no test kills the machine."""
        self._user = _other_user()
        super().__init__(folder, port, in_child=_as(self._user))
        self.password = secrets.token_hex(16)
        self._durable = durable
        self._cluster = folder / "cluster"
        if self._user:
            os.chown(folder, self._user.pw_uid, self._user.pw_gid)

    def arguments(self) -> list[str]:
        """Return how it is called, once there is a cluster; PostgresError where there cannot be."""
        if not (self._cluster / "PG_VERSION").exists():
            self._make_cluster()
        told = {
            "listen_addresses": HOST,
            "port": str(self.port),
            "unix_socket_directories": "",
            "shared_buffers": "64MB",
            "dynamic_shared_memory_type": "mmap",  # containers have little of the other kinds
            "max_connections": "60",
            "max_wal_size": "256MB",
            "autovacuum_naptime": "10s",
            "log_min_messages": "warning",
            **({} if self._durable else _NOT_DURABLE),
        }
        return ["-D", str(self._cluster), *(part for pair in told.items() for part in ("-c", "=".join(pair)))]

    def url(self, database: str) -> str:
        """Return a database's address, without the password."""
        return f"postgresql://{OWNER}@{HOST}:{self.port}/{database}"

    def start(self) -> None:
        """Start it and wait until it has recovered and takes sessions; PostgresError if it does not."""
        super().start()
        asked = programs.find("pg_isready")
        deadline = time.monotonic() + START_TIMEOUT_S
        while (
            asked
            and subprocess.run(
                [asked[0], "-q", "-h", HOST, "-p", str(self.port)], env=asked[1], check=False
            ).returncode
        ):
            if self.pid is None or time.monotonic() > deadline:
                self.kill()
                raise PostgresError(f"postgres takes no sessions on port {self.port}: {self.last_words()}")
            time.sleep(0.02)

    def stop(self) -> None:
        """End it politely, whoever is still connected."""
        if self._process and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)  # SIGTERM would wait for all to leave
            try:
                self._process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self.kill()
        self._process = None

    def kill(self) -> None:
        """SIGKILL the server and its helpers, as a power cut would; all are gone on return."""
        helpers = _children(self.pid) if self.pid else []
        super().kill()
        for pid in helpers:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        deadline = time.monotonic() + STOP_TIMEOUT_S
        while any(_runs(pid) for pid in helpers) and time.monotonic() < deadline:
            time.sleep(0.01)

    def _make_cluster(self) -> None:
        found = programs.find("initdb")
        if found is None:
            raise PostgresError(
                "no initdb on this machine; run `make setup`, or install the package postgresql"
            )
        program, environment = found
        secret = self.folder / "password"
        secret.write_text(self.password)
        if self._user:
            os.chown(secret, self._user.pw_uid, self._user.pw_gid)
        command = [
            program,
            "-D",
            str(self._cluster),
            "-U",
            OWNER,
            "-A",
            "scram-sha-256",
            "--pwfile",
            str(secret),
        ]
        command += ["-E", "UTF8", "--locale", "C", "--no-sync", "--no-instructions"]
        done = subprocess.run(
            command,
            env=environment,
            cwd="/",
            capture_output=True,
            text=True,
            timeout=INIT_TIMEOUT_S,
            check=False,
            preexec_fn=self._in_child,
        )
        secret.unlink()
        if done.returncode:
            raise PostgresError(
                f"initdb cannot make a cluster in {self.folder}: {done.stderr[-500:].strip()}"
            )


def _other_user() -> pwd.struct_passwd | None:
    """Return who is to run it; None where we may ourselves."""
    if os.geteuid() != 0:
        return None
    for name in USERS:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise PostgresError(
        f"PostgreSQL does not run as root, and there is no user {' or '.join(USERS)}; make one"
    )


def _as(user: pwd.struct_passwd | None) -> Callable[[], None]:
    """Return what a child does first: become that user, and end when the thread that started it does."""
    prctl = ctypes.CDLL(None).prctl

    def become() -> None:
        if user:
            os.setgroups([])
            os.setgid(user.pw_gid)
            os.setuid(user.pw_uid)
        prctl(PR_SET_PDEATHSIG, signal.SIGINT)  # after that: a change of user would forget it

    return become


def _children(pid: int) -> list[int]:
    try:
        return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
