"""The certificate and its key, by which the interface is served: looked at before anything starts."""

import ssl
import stat
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class TlsFiles:
    """Absolute paths; the certificate's file holds its chain too."""

    cert: Path
    key: Path


@dataclass(frozen=True)
class BrokerTls:
    """How the broker is reached over TLS: whom it must be certified by, and who we are."""

    ca: Path
    own: TlsFiles | None

    def context(self) -> ssl.SSLContext:
        """Return how to connect: the files as they are now; ssl.SSLError, OSError."""
        made = self.trusting()
        if self.own:
            made.load_cert_chain(self.own.cert, self.own.key)
        return made

    def trusting(self) -> ssl.SSLContext:
        """Return the same without saying who we are."""
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # checks chain and host
        made.minimum_version = ssl.TLSVersion.TLSv1_2
        made.load_verify_locations(self.ca)
        return made


class TlsFileError(Exception):
    """A file cannot be used; ``which`` is its key in the settings, the text what is wrong."""

    def __init__(self, which: str, what: str, remedy: str) -> None:
        """Keep all three."""
        super().__init__(what)
        self.which, self.remedy = which, remedy


def checked(cert: Path, key: Path) -> TlsFiles:
    """Return both once they belong together and nobody else can read the key; TlsFileError."""
    for which, path in (("tls_cert_file", cert), ("tls_key_file", key)):
        try:
            with path.open("rb"):
                mode = stat.S_IMODE(path.stat().st_mode)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise TlsFileError(
                which, f"{path.name}: {reason}", "name a file of PEM that the centre may read"
            ) from error
        if path is key and mode & 0o077:
            what = f"{path.name} has mode {mode:04o}, so others may read the key"
            raise TlsFileError(which, what, f"run  chmod 600 {path}  if nobody has; else have another made")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key, password=lambda: "")
    except (ssl.SSLError, ValueError) as error:
        what = f"{cert.name} and {key.name} cannot be used together: {_words(error)}"
        remedy = "give the certificate (with its chain) and its own key, both PEM, the key without a password"
        raise TlsFileError("tls_cert_file", what, remedy) from error
    return TlsFiles(cert.absolute(), key.absolute())


def checked_broker(folder: Path, ca_file: str, cert_file: str, key_file: str) -> BrokerTls:
    """Return what ``[broker]`` names, once it can be used, without ``cert_file`` as nobody; TlsFileError."""
    ca = folder / ca_file
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(ca)
    except (OSError, ssl.SSLError) as error:
        reason = _words(error) if isinstance(error, ssl.SSLError) else (error.strerror or str(error)).lower()
        remedy = "name the file of PEM that holds the authority's certificate"
        raise TlsFileError("tls_ca_file", f"{ca.name}: {reason}", remedy) from error
    own = checked(folder / cert_file, folder / key_file) if cert_file else None
    return BrokerTls(ca.absolute(), own)


def _words(error: Exception) -> str:
    reason = getattr(error, "reason", None)
    return str(reason).lower().replace("_", " ") if reason else str(error).lower()
