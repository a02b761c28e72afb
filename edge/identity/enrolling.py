"""Enrolment, once and again: trust, key, request, certificate, settings; each step may be repeated.

The key is on the disk before anything is asked for it, so that a lost answer costs nothing: the same code
with the same key is answered with the same certificate.
"""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from contract.names import checked_name
from contract.samples import ClockState
from edge import kernel_time, known_time
from edge.clock import SystemClock, Timeline, wall_is_credible
from edge.identity import est, folder, keys, trust
from edge.identity.errors import EnrolError, UnreadableError
from edge.identity.folder import IdentityFolder
from edge.identity.keys import Key
from edge.identity.request import request, uri
from edge.identity.trust import Known
from edge.settings import Settings
from edge.state_folder import synced
from owned_files import as_owner
from toml_files import Value, with_keys

BROKER_PORT = 8883
CHAIN_MAX = 5
LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True)
class Wish:
    """What the technician asks for."""

    settings_file: Path
    centre: str
    code: str
    fingerprint: str = ""
    broker: str = ""
    """Host or host:port, where it is not the centre's host."""
    again: bool = False
    """With a new key, though there is an identity."""
    gateway: str = ""
    """As what it enrols, with the centre's district, where the settings do not say so yet."""


@dataclass(frozen=True)
class Enrolled:
    """What was done."""

    gateway: str
    not_after_ms: int
    """When the certificate ends, or one of those that it is certified by, if that is earlier."""
    asked: bool
    """False: there was an identity already, and the settings alone were looked after."""
    broker: str
    settings: Path


def enrol(wish: Wish, settings: Settings, known: Known) -> Enrolled:
    """Do all of it; EnrolError, IdentityError, SettingError, OSError say what is in the way."""
    state = wish.settings_file.parent / settings.state_folder
    files = IdentityFolder(state / folder.NAME)
    centre = est.Centre.at(wish.centre)
    with as_owner(state):
        files.make()
        recover(files)
        trusted = _trusted(files, centre, wish.fingerprint)
        tls = trust.context(pem(trusted), lambda: known)
        facts = centre.facts(tls)
        held = identity(files)
        named = _named(wish, settings, facts, held)
        settings = settings.model_copy(update=named)
        if asked := (held is None or wish.again):
            held = _asked(wish, settings, files, centre, tls, trusted)
        else:
            keys.read(files.key, settings.identity)  # it says what to do where it is of the other kind
        until_ms = trust.of_chain(path(held, [*certificates(files.certificate), *trusted])).not_after_ms
    with as_owner(wish.settings_file.parent):
        broker = _fill_in(wish, settings, files, centre, facts, named)
    return Enrolled(settings.gateway, until_ms, asked, broker, wish.settings_file)


def needs_code(settings_file: Path, settings: Settings, *, again: bool) -> bool:
    """Say whether a code is needed: not where there is an identity already; IdentityError."""
    state = settings_file.parent / settings.state_folder
    with as_owner(state):
        return again or identity(IdentityFolder(state / folder.NAME)) is None


def known(settings_file: Path, settings: Settings) -> Known:
    """Return what time it is for certificates, as the daemon would see it."""
    vouches = kernel_time.synchronised if settings.clock.source == "kernel" else wall_is_credible
    timeline = Timeline(known_time.read(settings_file.parent / settings.state_folder))
    now = SystemClock(timeline, vouches).now()
    return Known(now.wall_ms, is_set=now.clock is not ClockState.UNSET)


def identity(files: IdentityFolder) -> x509.Certificate | None:
    """Return the certificate, if there is one for the key that is there; IdentityError for a bad key.

    A damaged one counts as none: enrolling again heals it.
    """
    if not (files.key.exists() and files.certificate.exists()):
        return None
    try:
        certificate = certificates(files.certificate)[0]
    except UnreadableError:
        return None
    return certificate if same_key(certificate, keys.public(files.key)) else None


def recover(files: IdentityFolder) -> None:
    """Finish what a power cut has left half done: a certificate whose key has taken its place already."""
    fresh = _fresh(files.certificate)
    if not fresh.exists():
        return
    try:
        [certificate, *_] = certificates(fresh)
        is_whole = files.key.exists() and same_key(certificate, keys.public(files.key))
    except UnreadableError:
        is_whole = False
    if is_whole:
        fresh.replace(files.certificate)
    else:
        fresh.unlink()
    synced(files.path)


def certificates(path: Path) -> list[x509.Certificate]:
    """Return the certificates of a file; UnreadableError where there are none, or IdentityError."""
    try:
        return x509.load_pem_x509_certificates(folder.read(path))
    except trust.UNREADABLE as error:
        raise UnreadableError(f"{path}: holds no certificate; enrol again with a new code") from error


def same_key(certificate: x509.Certificate, key: ec.EllipticCurvePublicKey) -> bool:
    """Say whether a certificate is for a key."""
    return _public(certificate.public_key()) == _public(key)  # type: ignore[arg-type]


def common_names(certificate: x509.Certificate) -> list[str]:
    """Return whose a certificate is."""
    told = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return [str(each.value) for each in told]


def checked(
    certificate: x509.Certificate, key: Key, settings: Settings, trusted: list[x509.Certificate]
) -> None:
    """EnrolError where what was issued is not for this key, this gateway, or not by whom it trusts."""
    if not same_key(certificate, key.public) or common_names(certificate) != [settings.gateway]:
        raise EnrolError(
            f"the centre answers with a certificate that is not for this key of {settings.gateway}"
        )
    try:
        told = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        uris = told.get_values_for_type(x509.UniformResourceIdentifier)
    except x509.ExtensionNotFound:
        uris = []
    if uris != [uri(settings.district, settings.gateway)]:
        raise EnrolError(f"the centre answers with a certificate of another district: {', '.join(uris)}")
    if not any(_issued(certificate, each) for each in trusted):
        raise EnrolError("the centre answers with a certificate of an authority that is not trusted here")


def chain_to(root: x509.Certificate, offered: list[x509.Certificate]) -> list[x509.Certificate]:
    """Return whom to trust of what is offered, issuing first, root last: what the root has issued, no more.

    Of an authority that was certified more than once the certificate that ends last.
    """
    chain = [root]
    while below := [each for each in offered if each not in chain and _issued(each, chain[0])]:
        chain.insert(0, max(below, key=lambda each: each.not_valid_after_utc))
        if len(chain) > CHAIN_MAX:
            raise EnrolError(f"the centre offers a chain of more than {CHAIN_MAX} authorities")
    return chain


def path(certificate: x509.Certificate, pool: list[x509.Certificate]) -> list[x509.Certificate]:
    """Return a certificate and those above it that are there, each by what has issued it and ends last."""
    chain = [certificate]
    while chain[-1].issuer != chain[-1].subject and len(chain) <= CHAIN_MAX:
        above = [each for each in pool if each not in chain and _issued(chain[-1], each)]
        if not above:
            break
        chain.append(max(above, key=lambda each: each.not_valid_after_utc))
    return chain


def keep(files: IdentityFolder, certificate: x509.Certificate, trusted: list[x509.Certificate]) -> None:
    """Keep a certificate with what a broker needs to trace it to the root; OSError."""
    folder.replace(files.certificate, pem([certificate, *trusted[:-1]]), folder.PUBLIC)


def pem(chain: list[x509.Certificate]) -> bytes:
    """Return certificates as a file holds them."""
    return b"".join(each.public_bytes(Encoding.PEM) for each in chain)


def _asked(
    wish: Wish,
    settings: Settings,
    files: IdentityFolder,
    centre: est.Centre,
    tls: trust.TimedContext,
    trusted: list[x509.Certificate],
) -> x509.Certificate:
    """Ask for a certificate, and keep it with its key."""
    path = _fresh(files.key) if wish.again and files.key.exists() else files.key
    key = keys.to_be_certified(path, settings.identity)
    told = request(key, settings.district, settings.gateway)
    made = centre.enrolled(tls, told, settings.gateway, wish.code)
    checked(made, key, settings, trusted)
    if path != files.key:  # the key first, for what is half done is then finished from the certificate
        folder.replace(_fresh(files.certificate), pem([made, *trusted[:-1]]), folder.PUBLIC)
        path.replace(files.key)
        recover(files)
    else:
        keep(files, made, trusted)
    return made


def _trusted(files: IdentityFolder, centre: est.Centre, fingerprint: str) -> list[x509.Certificate]:
    """Return whom to trust, issuing first, root last: by the fingerprint, else as it was."""
    wanted = fingerprint.replace(":", "").replace(" ", "").lower()
    if not wanted and files.ca.exists():
        with contextlib.suppress(UnreadableError):  # the fingerprint says whom to trust, then
            return certificates(files.ca)
    offered = centre.certificates(est.unverified())
    prints = {each.fingerprint(SHA256()).hex(): each for each in offered}
    if wanted not in prints:
        roots = ", ".join(print_ for print_, each in prints.items() if _issued(each, each))
        told = f"the authority there has the fingerprint {roots}" if roots else "there is no authority there"
        what = (
            "is not the one that was given"
            if wanted
            else "compare it with what the centre shows, then give it"
        )
        raise EnrolError(f"{centre.url}: {told}; {what} (--fingerprint)")
    chain = chain_to(prints[wanted], offered)
    folder.replace(files.ca, pem(chain), folder.PUBLIC)
    return chain


def _named(
    wish: Wish, settings: Settings, facts: Mapping[str, object], held: x509.Certificate | None
) -> dict[str, Value]:
    """Return as what it enrols, where a name was given; ContractError, or EnrolError where it has another."""
    if not wish.gateway:
        return {}
    checked_name(wish.gateway, "gateway")
    district = checked_name(str(facts.get("district") or settings.district), "district")
    if held is not None and not wish.again and wish.gateway not in common_names(held):
        raise EnrolError(
            f"this gateway is enrolled as {', '.join(common_names(held))}; --again with a new code makes it "
            f"{wish.gateway}"
        )
    return {"district": district, "gateway": wish.gateway}


def _fill_in(
    wish: Wish,
    settings: Settings,
    files: IdentityFolder,
    centre: est.Centre,
    facts: Mapping[str, object],
    named: Mapping[str, Value],
) -> str:
    """Fill in the settings; return the broker's address."""
    base = wish.settings_file.parent

    def shown(path: Path) -> str:
        return str(path.relative_to(base)) if path.is_relative_to(base) else str(path)

    host, port = settings.broker.host, settings.broker.port
    if wish.broker:
        host, _, told = wish.broker.rpartition(":") if ":" in wish.broker else (wish.broker, "", "")
        port = int(told) if told.isdigit() else BROKER_PORT
    else:
        host = centre.host if host in LOOPBACK and centre.host not in LOOPBACK else host
        host = "localhost" if host in LOOPBACK and centre.host == "localhost" else host
        port = port if settings.broker.tls_ca_file else BROKER_PORT
    wanted: dict[str, dict[str, Value]] = {
        "": dict(named),
        "broker": {
            "host": host,
            "port": port,
            "tls_ca_file": shown(files.ca),
            "tls_cert_file": shown(files.certificate),
            "tls_key_file": shown(files.key),
        },
        "identity": {"centre": centre.url},
    }
    told_keys = facts.get("public_keys")
    if isinstance(told_keys, list) and told_keys and not settings.centre.public_keys:
        wanted["centre"] = {"public_keys": [str(each) for each in told_keys][:8]}
    text = wish.settings_file.read_text(encoding="utf-8")
    made = with_keys(text, wanted)
    if made != text:
        mode = wish.settings_file.stat().st_mode & 0o777
        folder.replace(wish.settings_file, made.encode(), mode)
    return f"{host}:{port}"


def _fresh(path: Path) -> Path:
    return path.with_name(f"{path.stem}.new{path.suffix}")


def _public(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _issued(certificate: x509.Certificate, by: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(by)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True
