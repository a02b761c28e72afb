"""The files of TLS that ``[broker]`` names: looked at with the settings, and read at each connection."""

import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

from edge.identity import enrolling, folder, keys
from edge.identity.errors import IdentityError, UnreadableError
from edge.identity.trust import Known, LinkTls
from edge.settings import Settings
from toml_files import Problem, TomlFile


def of(settings: Settings, base: Path, known: Callable[[], Known]) -> LinkTls | None:
    """Return how the broker is reached; None: without TLS. Paths are relative to ``base``."""
    broker = settings.broker
    if not broker.tls_ca_file:
        return None
    cert, key = (base / each if each else None for each in (broker.tls_cert_file, broker.tls_key_file))
    return LinkTls(base / broker.tls_ca_file, cert, key, known, settings.identity)


def problems(settings: Settings, base: Path, file: TomlFile) -> Iterator[Problem]:
    """Yield what is wrong with the files; that a certificate is over is no mistake: it is renewed.

    Nor is a damaged one: lines and rules begin without the link, which says what is wrong.
    """
    broker = settings.broker
    for which in ("tls_ca_file", "tls_cert_file", "tls_key_file"):
        if named := getattr(broker, which):
            try:
                folder.read(base / named)
                if which == "tls_key_file":
                    folder.check_private(base / named)
            except UnreadableError:
                return
            except IdentityError as error:
                what, _, remedy = str(error).partition("; ")
                yield file.problem(("broker", which), what, remedy)
                return
    if broker.tls_cert_file:
        try:
            _together(base / broker.tls_cert_file, base / broker.tls_key_file)
        except UnreadableError:
            return
        except (IdentityError, ssl.SSLError, OSError, ValueError):
            what = f"{broker.tls_cert_file} and {broker.tls_key_file} cannot be used together"
            remedy = "give the certificate and its own key; `gengfu edge enrol` fetches one"
            yield file.problem(("broker", "tls_cert_file"), what, remedy)


def _together(certificate: Path, key: Path) -> None:
    """IdentityError, ssl.SSLError, OSError, ValueError where they do not belong together.

    UnreadableError is one, where the certificate is damaged.

    No TPM is asked: without it a gateway starts all the same, controls, and says why its link is down.
    """
    [first, *_] = enrolling.certificates(certificate)
    if not keys.is_of_tpm(key):
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(certificate, key, password=lambda: "")
    elif not enrolling.same_key(first, keys.public(key)):
        raise IdentityError(f"{certificate} is not for the key {key}")
