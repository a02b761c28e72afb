"""A real TPM 2.0 in software (swtpm), shared as the kernel shares one at /dev/tpmrm0.

swtpm alone keeps what a process has loaded after the process is gone, and has three places for it.
"""

import contextlib
import os
import select
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from gengfu.demo.processes import die_with_parent
from simulators import programs

HEADER, PEER = struct.Struct(">HII"), struct.Struct("iii")
FLUSH, SEQUENCE_COMPLETE = 0x165, 0x13E
MAKE_HANDLES = {0x131, 0x157, 0x161, 0x167, 0x186}
"""CreatePrimary, Load, ContextLoad, LoadExternal, HashSequenceStart."""
NO_SESSIONS = 0x8001
PARTS = {
    "swtpm": "swtpm",
    "openssl": "openssl",
    "tpm2_clear": "tpm2-tools",
}
MODULES = "ossl-modules/tpm2.so", "libtss2-tcti-swtpm.so.0"


def missing() -> str:
    """Return which Debian packages are missing, if any."""
    wanted = [package for program, package in PARTS.items() if programs.find(program) is None]
    if not _modules(MODULES[0]):
        wanted.append("tpm2-openssl")
    if not _modules(MODULES[1]):
        wanted.append("libtss2-tcti-swtpm0")
    return " ".join(wanted)


def environment() -> dict[str, str]:
    """Return what lets a process find provider and stack; nothing where they are installed."""
    provider = _modules(MODULES[0])[0]
    if provider.is_relative_to("/usr"):
        return {}
    libraries = sorted({str(file.parent) for file in provider.parents[1].rglob("*.so.*")})
    return {"OPENSSL_MODULES": str(provider.parent), "LD_LIBRARY_PATH": os.pathsep.join(libraries)}


def _modules(name: str) -> list[Path]:
    roots = [Path("/"), *(root for root in programs.unpacked() if root.exists())]
    return [path for root in roots for path in (root / "usr/lib").glob(f"*/{name}")]


class SimulatedTpm:
    """One TPM, with its memory in a folder."""

    def __init__(self, folder: Path) -> None:
        """Make it, as new as from the factory."""
        self.folder = folder
        folder.mkdir()
        self._lock = threading.Lock()
        self.silent = threading.Event()
        """While set, it takes commands and does not answer."""
        self.users: set[int] = set()
        """Who has asked."""
        self._held: dict[int, tuple[int, set[bytes]]] = {}

    @property
    def tcti(self) -> str:
        """What the settings call it."""
        return f"swtpm:path={self.folder / 'tpm'}"

    @contextlib.contextmanager
    def running(self) -> Iterator["SimulatedTpm"]:
        """Switch it on, until the end."""
        found = programs.find("swtpm")
        assert found
        chip = self.folder / "chip"
        words = [
            "socket",
            "--tpm2",
            "--tpmstate",
            f"dir={self.folder}",
            "--flags",
            "not-need-init,startup-clear",
        ]
        words += ["--server", f"type=unixio,path={chip}", "--ctrl", f"type=unixio,path={chip}.ctrl"]
        with (self.folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [found[0], *words],
                env=found[1],
                stdout=log,
                stderr=log,
                preexec_fn=die_with_parent,  # noqa: PLW1509 - one system call, no lock
            )
        try:
            self._upstream = _connected(chip, process)
            (self.folder / "tpm.ctrl").unlink(missing_ok=True)
            (self.folder / "tpm.ctrl").symlink_to(f"{chip}.ctrl")
            (self.folder / "tpm").unlink(missing_ok=True)
            with socket.socket(socket.AF_UNIX) as server:
                server.bind(str(self.folder / "tpm"))
                server.listen(16)
                threading.Thread(target=self._accept, args=(server,), daemon=True).start()
                yield self
                server.shutdown(socket.SHUT_RDWR)
        finally:
            process.terminate()
            process.wait(10)
            self._upstream.close()

    def clear(self) -> None:
        """Do what the firmware's "clear TPM" does: keys that it has made are good for nothing now."""
        found = programs.find("tpm2_clear")
        assert found
        more = {"TPM2TOOLS_TCTI": self.tcti}
        subprocess.run([found[0]], env={**found[1], **more}, check=True, timeout=30, capture_output=True)

    def loaded(self) -> int:
        """Return how many objects are loaded."""
        asked = HEADER.pack(NO_SESSIONS, HEADER.size + 12, 0x17A) + struct.pack(">III", 1, 0x80000000, 16)
        with self._lock:
            self._flush_of_the_dead()
            told = self._command(asked)
        return int.from_bytes(told[15:19])

    def _accept(self, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = server.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        """Serve a connection; the stack makes one for each command."""
        with client, contextlib.suppress(OSError, EOFError):
            told = client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, PEER.size)
            process, user, _ = PEER.unpack(told)
            self.users.add(user)
            while True:
                command = _message(client)
                while self.silent.is_set():
                    time.sleep(0.05)
                with self._lock:
                    self._flush_of_the_dead()
                    answer = self._command(command)
                    self._note(process, command, answer)
                client.sendall(answer)

    def _note(self, process: int, command: bytes, answer: bytes) -> None:
        """Remember what a process has loaded."""
        code, failed = HEADER.unpack(command[:10])[2], HEADER.unpack(answer[:10])[2]
        if code in MAKE_HANDLES and not failed:
            if process not in self._held:
                self._held[process] = os.pidfd_open(process), set()
            self._held[process][1].add(answer[10:14])
        elif code in (FLUSH, SEQUENCE_COMPLETE) and not failed and process in self._held:
            self._held[process][1].discard(command[10:14])

    def _flush_of_the_dead(self) -> None:
        for process, (alive, handles) in list(self._held.items()):
            if select.select([alive], [], [], 0)[0]:
                for handle in handles:
                    self._command(HEADER.pack(NO_SESSIONS, HEADER.size + 4, FLUSH) + handle)
                os.close(alive)
                del self._held[process]

    def _command(self, command: bytes) -> bytes:
        self._upstream.sendall(command)
        return _message(self._upstream)


def _connected(path: Path, process: "subprocess.Popen[bytes]") -> socket.socket:
    for _ in range(200):
        made = socket.socket(socket.AF_UNIX)
        with contextlib.suppress(OSError):
            made.connect(str(path))
            return made
        made.close()
        if process.poll() is not None:
            break
        time.sleep(0.05)
    raise RuntimeError(f"swtpm does not start: {(path.parent / 'log').read_text()}")


def _message(link: socket.socket) -> bytes:
    head = _exactly(link, HEADER.size)
    return head + _exactly(link, HEADER.unpack(head)[1] - HEADER.size)


def _exactly(link: socket.socket, count: int) -> bytes:
    taken = b""
    while len(taken) < count:
        more = link.recv(count - len(taken))
        if not more:
            raise EOFError
        taken += more
    return taken
