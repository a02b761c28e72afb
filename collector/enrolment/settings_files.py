"""The files that ``[enrolment]`` names, looked at before anything starts."""

from dataclasses import dataclass
from pathlib import Path

from collector.enrolment import authority_files
from collector.enrolment.authority import Authority
from collector.enrolment.settings import Enrolment
from collector.tls_files import TlsFiles, checked


@dataclass(frozen=True)
class EnrolmentFiles:
    """The authority, the certificate of the port of enrolment, and where the broker's files are."""

    authority: Authority
    tls: TlsFiles
    list_file: Path | None
    pid_file: Path | None


def told_enrolment(settings: Enrolment, folder: Path) -> EnrolmentFiles | None:
    """Return what the settings name, relative to ``folder``; None without an authority. TlsFileError."""
    if not settings.is_on:
        return None
    return EnrolmentFiles(
        authority_files.read(folder / settings.ca_cert_file, folder / settings.ca_key_file),
        checked(folder / settings.tls_cert_file, folder / settings.tls_key_file),
        _path(folder, settings.crl_file),
        _path(folder, settings.broker_pid_file),
    )


def _path(folder: Path, named: str) -> Path | None:
    return (folder / named).absolute() if named else None
