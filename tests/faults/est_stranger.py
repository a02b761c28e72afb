"""A stranger with curl and openssl, and nothing of ours: what EST (RFC 7030) promises must be enough."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.faults.secure_site import Identity, SecureSite

TIMEOUT_S = 30


@dataclass(frozen=True)
class Answered:
    """What curl got: the status (0 where TLS was refused), the headers, the body."""

    status: int
    headers: dict[str, str]
    body: bytes


class Stranger:
    """Somebody at the port of enrolment."""

    def __init__(self, site: SecureSite, folder: Path) -> None:
        """Keys and certificates go into the folder."""
        self._site, self._folder = site, folder
        self._count = 0

    def key(self) -> Path:
        """Make a key."""
        self._count += 1
        path = self._folder / f"stranger-{self._count}.key"
        _run("openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(path))
        path.chmod(0o600)
        return path

    def request(self, key: Path, name: str, *more: str) -> bytes:
        """Return a request in base64."""
        der = _run(
            "openssl", "req", "-new", "-key", str(key), "-subj", f"/CN={name}", "-outform", "DER", *more
        )
        return _run("openssl", "base64", input_=der)

    def enrol(self, user: str, code: str, request: bytes) -> Answered:
        """Ask simpleenroll."""
        return self._posted("simpleenroll", request, "--user", f"{user}:{code}")

    def renew(self, held: Identity, request: bytes) -> Answered:
        """Ask simplereenroll."""
        return self._posted("simplereenroll", request, "--cert", str(held.cert), "--key", str(held.key))

    def identity(self, answered: Answered, key: Path) -> Identity:
        """Unpack what was issued."""
        der = _run("openssl", "base64", "-d", input_=answered.body)
        pem = _run("openssl", "pkcs7", "-inform", "DER", "-print_certs", input_=der)
        self._count += 1
        path = self._folder / f"stranger-{self._count}.pem"
        path.write_bytes(pem)
        _run("openssl", "verify", "-CAfile", str(self._site.folder / "ca/ca.pem"), str(path))
        return Identity(path, key)

    def enrolled(self, gateway: str) -> Identity:
        """Go the whole way."""
        key = self.key()
        answered = self.enrol(gateway, self._site.code(gateway), self.request(key, gateway))
        if answered.status != 200:
            raise RuntimeError(f"{gateway} was not enrolled: {answered}")
        return self.identity(answered, key)

    def get(self, what: str) -> Answered:
        """Ask what everybody may know."""
        return self._curl(f"{self._site.est}/{what}")

    def _posted(self, what: str, request: bytes, *more: str) -> Answered:
        path = self._folder / "stranger.req"
        path.write_bytes(request)
        header = "Content-Type: application/pkcs10"
        return self._curl("-H", header, "--data-binary", f"@{path}", *more, f"{self._site.est}/{what}")

    def _curl(self, *arguments: str) -> Answered:
        ca = str(self._site.folder / "ca/ca.pem")
        heads, body = self._folder / "stranger.heads", self._folder / "stranger.body"
        for each in (heads, body):
            each.unlink(missing_ok=True)
        command = ["curl", "-sS", "--noproxy", "*", "--cacert", ca, "-D", str(heads), "-o", str(body)]
        done = subprocess.run(
            [*command, "-w", "%{http_code}", *arguments], capture_output=True, timeout=TIMEOUT_S, check=False
        )
        lines = heads.read_text().splitlines()[1:] if heads.exists() else []
        told = dict(line.lower().split(": ", 1) for line in lines if ": " in line)
        return Answered(int(done.stdout or 0), told, body.read_bytes() if body.exists() else done.stderr)


def _run(*command: str, input_: bytes = b"") -> bytes:
    done = subprocess.run(command, input=input_, capture_output=True, timeout=TIMEOUT_S, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[:3])}: {done.stderr.decode(errors='replace')[-300:]}")
    return done.stdout
