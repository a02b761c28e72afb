"""A centre's folder made ready for gateways with identities: authority, certificates, broker, settings."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from collector.enrolment import authority, broker_files
from collector.enrolment.authority import Authority
from collector.enrolment.authority_files import PRIVATE, PUBLIC, key_pem, write_new
from collector.enrolment.names import collector_name
from collector.enrolment.settings import Enrolment
from owned_files import as_owner
from toml_files import Value, with_keys

ROOT_VALID_DAYS = 25 * 365
OWN_VALID_DAYS = 10 * 365
"""Of the certificates of broker, port and centre; a cabinet serves as long."""
LOCAL = ("localhost", "127.0.0.1")


class SettingUpError(RuntimeError):
    """Nothing more is written; the text says what is in the way."""


@dataclass(frozen=True)
class Site:
    """What is set up: the district, and the names by which gateways reach centre and broker."""

    district: str
    hosts: tuple[str, ...]
    user: str
    """As whom the broker runs: whose the files are."""
    broker_port: int = broker_files.BROKER_PORT
    broker_host: str = ""
    """On which of this machine's addresses it listens; empty: all."""
    enrolment_port: int = Enrolment.model_fields["port"].default

    @property
    def names(self) -> tuple[str, ...]:
        """What certificates of servers are for."""
        return (*self.hosts, *(each for each in LOCAL if each not in self.hosts))


def files(
    folder: Path, site: Site, *, now_ms: int, new_serial: Callable[[], int]
) -> dict[str, tuple[bytes, int]]:
    """Return everything that is written beside the settings, with its mode, by its name below ``folder``."""
    root_key = ec.generate_private_key(ec.SECP256R1())
    root = authority.root(
        site.district, root_key, serial=new_serial(), now_ms=now_ms, valid_days=ROOT_VALID_DAYS
    )
    revoked = root.revocations(
        [], number=now_ms, now_ms=now_ms, valid_days=Enrolment.model_fields["crl_valid_days"].default
    )
    made: dict[str, tuple[bytes, int]] = {
        "ca/ca.pem": (root.pem, PUBLIC),
        "ca/ca_key.pem": (key_pem(root_key), PRIVATE),
        "broker/ca.pem": (root.pem, PUBLIC),
        "broker/crl.pem": (revoked.public_bytes(Encoding.PEM), PUBLIC),
        "broker/acl": (broker_files.access(site.district).encode(), PUBLIC),
        "broker/mosquitto.conf": (
            broker_files.configuration(
                (folder / "broker").absolute(), site.user, port=site.broker_port, host=site.broker_host
            ).encode(),
            PUBLIC,
        ),
    }
    for name in ("broker/server", "tls/server", "tls/collector"):
        made |= _certified(name, root, site, now_ms=now_ms, new_serial=new_serial)
    return made


def _certified(
    name: str, root: Authority, site: Site, *, now_ms: int, new_serial: Callable[[], int]
) -> dict[str, tuple[bytes, int]]:
    """Return a certificate of ours and its key."""
    key, serial = ec.generate_private_key(ec.SECP256R1()), new_serial()
    public = key.public_key()
    if name.endswith("server"):
        made = root.server(site.names, public, serial=serial, now_ms=now_ms, valid_days=OWN_VALID_DAYS)
    else:
        made = root.client(
            collector_name(site.district), public, serial=serial, now_ms=now_ms, valid_days=OWN_VALID_DAYS
        )
    return {
        f"{name}.pem": (made.public_bytes(Encoding.PEM), PUBLIC),
        f"{name}_key.pem": (key_pem(key), PRIVATE),
    }


def settings(example: str, site: Site) -> str:
    """Return the example with what this centre needs: the rest of it stays as it is."""
    host = site.hosts[0]
    shown = f"[{host}]" if ":" in host else host
    broker: dict[str, Value] = {
        "host": "localhost",
        "port": site.broker_port,
        "tls_ca_file": "ca/ca.pem",
        "tls_cert_file": "tls/collector.pem",
        "tls_key_file": "tls/collector_key.pem",
    }
    enrolment: dict[str, Value] = {
        "ca_cert_file": "ca/ca.pem",
        "ca_key_file": "ca/ca_key.pem",
        "port": site.enrolment_port,
        "tls_cert_file": "tls/server.pem",
        "tls_key_file": "tls/server_key.pem",
        "url": f"https://{shown}:{site.enrolment_port}",
        "crl_file": "broker/crl.pem",
        "broker_pid_file": "broker/mosquitto.pid",
    }
    text = example.replace('district = "north"', f'district = "{site.district}"', 1)
    return with_keys(text, {"broker": broker, "enrolment": enrolment})


def write(folder: Path, made: dict[str, tuple[bytes, int]]) -> None:
    """Write all of it, or refuse where any is there already; SettingUpError."""
    for name in made:
        if (folder / name).exists():
            raise SettingUpError(
                f"{folder / name}: is there already and is not replaced; name another folder, or move it away"
            )
    try:
        with as_owner(folder):
            for name, (content, mode) in made.items():
                path = folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                write_new(path, content, mode)
            (folder / "broker" / "data").mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise SettingUpError(f"{error.filename or folder}: cannot be written: {reason}") from error
