"""What a certificate is worth at which time: all that is certain is heeded, and nothing that is not."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from edge.identity import trust
from edge.identity.trust import Known, LinkTls, Validity, untimely
from edge.settings import Identity
from tests.edge.identity.chains import Chain, server_file
from tests.edge.identity.chains import pem as chain_pem

BEGINS_MS, ENDS_MS = 1_790_000_000_000, 1_800_000_000_000
HELD = Validity(BEGINS_MS, ENDS_MS)
TIMES = st.integers(0, 2_000_000_000_000)


@pytest.mark.parametrize(
    ("time_ms", "is_set", "reason"),
    [
        (BEGINS_MS + 1, True, ""),
        (BEGINS_MS - 400_000, True, "is not valid yet"),
        (BEGINS_MS - 200_000, True, ""),  # clocks differ a little
        (ENDS_MS + 400_000, True, "is over"),
        (0, False, ""),  # 1970: nobody knows
        (BEGINS_MS + 1, False, ""),
        (ENDS_MS + 1, False, "is over"),  # it is at least as late as this
    ],
)
def test_the_time_is_heeded_as_far_as_it_is_known(time_ms: int, is_set: bool, reason: str) -> None:
    """An unset clock is too late never, and too early perhaps."""
    assert untimely(HELD, Known(time_ms, is_set)) == reason


@given(TIMES, TIMES)
def test_what_is_over_stays_over(one: int, other: int) -> None:
    """Once refused as over, refused at every later time, set or not."""
    early, late = sorted((one, other))
    if untimely(HELD, Known(early, is_set=False)):
        assert untimely(HELD, Known(late, is_set=False)) == "is over"


@given(TIMES)
def test_an_unset_clock_refuses_no_more_than_a_set_one(time_ms: int) -> None:
    """But for the few minutes that are tolerated where two clocks are right."""
    if untimely(HELD, Known(time_ms, is_set=False)) and time_ms > ENDS_MS + trust.TOLERATED_MS:
        assert untimely(HELD, Known(time_ms, is_set=True))


def pem(days_ago: int, days: int, folder: Path) -> tuple[bytes, Path]:
    """Return a certificate for localhost that is its own authority, and a file of it and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    begins = datetime.now(UTC) - timedelta(days=days_ago)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(begins)
        .not_valid_after(begins + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, SHA256())
    )
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path = folder / "server.pem"
    path.write_bytes(made.public_bytes(Encoding.PEM) + secret)
    return made.public_bytes(Encoding.PEM), path


@contextmanager
def server(path: Path) -> Iterator[int]:
    """Serve TLS once; lend the port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            try:
                with listener.accept()[0] as accepted, context.wrap_socket(accepted, server_side=True) as tls:
                    tls.recv(1)
            except OSError:
                pass  # who comes does not believe us

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join()


def reached(port: int, trusted: bytes, known: Known, host: str = "localhost") -> None:
    """Connect as a gateway does; ssl.SSLError where the server is not believed."""
    context = trust.context(trusted, lambda: known)
    with (
        socket.create_connection(("127.0.0.1", port)) as plain,
        context.wrap_socket(plain, server_hostname=host),
    ):
        pass


def now_ms() -> int:
    """Return the time of this machine."""
    return round(datetime.now(UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("days_ago", "known", "believed"),
    [
        (1, Known(0, is_set=False), True),  # 1970, a good server
        (1, Known(now_ms(), is_set=True), True),
        (-2, Known(0, is_set=False), True),  # 1970: nobody knows that it is early
        (-2, Known(now_ms(), is_set=True), False),
        (90, Known(now_ms(), is_set=True), False),
        (90, Known(now_ms(), is_set=False), False),  # it was later than its end already
        (90, Known(0, is_set=False), True),  # the risk that is told of in decision 33
    ],
)
def test_a_server_is_believed_by_the_time_that_is_known(
    days_ago: int, known: Known, believed: bool, tmp_path: Path
) -> None:
    """Over real TLS, whatever OpenSSL would say of the time."""
    trusted, path = pem(days_ago, 30, tmp_path)
    with server(path) as port:
        if believed:
            reached(port, trusted, known)
        else:
            with pytest.raises(ssl.SSLCertVerificationError, match="the server's certificate"):
                reached(port, trusted, known)


def test_chain_and_host_are_verified_at_any_time(tmp_path: Path) -> None:
    """A board in 1970 believes no stranger, and not the right one under another name."""
    trusted, path = pem(1, 30, tmp_path)
    (tmp_path / "other").mkdir()
    stranger, _ = pem(1, 30, tmp_path / "other")
    for anchors, host in ((stranger, "localhost"), (trusted, "elsewhere")):
        with server(path) as port, pytest.raises(ssl.SSLCertVerificationError):
            reached(port, anchors, Known(0, is_set=False), host)


@pytest.mark.parametrize(
    ("root_ends", "inter", "said"),
    [
        (9000, (-800, 400), ""),
        (9000, (-800, -400), "CN=inter is over"),
        (9000, (2, 400), "CN=inter is not valid yet"),
        (-3, (-800, 400), "CN=root is over"),
    ],
)
def test_every_certificate_of_a_servers_chain_has_its_time(
    root_ends: float, inter: tuple[float, float], said: str, tmp_path: Path
) -> None:
    """An authority between that is over is told by its name, and so is a root."""
    chain = Chain()
    path = server_file(tmp_path / "server.pem", chain.leaf_key, chain.leaf(), chain.inter(inter))
    trusted, known = chain_pem(chain.root((-9000, root_ends))), Known(now_ms(), is_set=True)
    with server(path) as port:
        if said:
            with pytest.raises(ssl.SSLCertVerificationError, match=said):
                reached(port, trusted, known)
        else:
            reached(port, trusted, known)


def test_a_board_in_1970_believes_a_chain_as_far_as_it_knows(tmp_path: Path) -> None:
    """What it cannot know it does not refuse, as with the server itself."""
    chain = Chain()
    path = server_file(tmp_path / "server.pem", chain.leaf_key, chain.leaf(), chain.inter((-800, -400)))
    trusted = chain_pem(chain.root())
    with server(path) as port:
        reached(port, trusted, Known(0, is_set=False))
    with server(path) as port, pytest.raises(ssl.SSLCertVerificationError, match="CN=inter is over"):
        reached(port, trusted, Known(now_ms(), is_set=False))


def test_an_authority_that_was_certified_anew_is_believed_in_place_of_its_old_certificate(
    tmp_path: Path,
) -> None:
    """The gateway has the old one in its file, and the server shows the new one, of the same key."""
    chain = Chain()
    path = server_file(tmp_path / "server.pem", chain.leaf_key, chain.leaf(), chain.inter((-9, 400)))
    trusted = chain_pem(chain.inter((-800, -1)), chain.root())
    with server(path) as port:
        reached(port, trusted, Known(now_ms(), is_set=True))


def link(folder: Path, trusted: bytes, times: list[Known]) -> LinkTls:
    """Return how a broker is reached that proves itself to whom these trust; the last time is now."""
    (folder / "ca.pem").write_bytes(trusted)
    return LinkTls(folder / "ca.pem", None, None, lambda: times[-1], Identity())


def connected(link: LinkTls, path: Path) -> None:
    """Connect as the uplink does; OSError where it is not believed."""
    with (
        server(path) as port,
        socket.create_connection(("127.0.0.1", port)) as plain,
        link.context().wrap_socket(plain, server_hostname="localhost"),
    ):
        pass


def test_a_file_of_which_no_authority_holds_any_more_is_told_by_name_and_time(tmp_path: Path) -> None:
    """It is an error of a connection, as a server that is not believed: the gateway goes on without."""
    chain = Chain()
    over = chain.inter((-800, -400))
    made = link(tmp_path, chain_pem(over), [Known(now_ms(), is_set=True)])
    with pytest.raises(OSError, match=r"ca\.pem: no authority .*CN=inter is over.* to ") as caught:
        made.context()
    assert f"{over.not_valid_after_utc:%Y-%m-%d %H:%M} UTC" in str(caught.value)
    (tmp_path / "ca.pem").write_text("no certificate")
    with pytest.raises(OSError, match=r"ca\.pem: holds no certificate"):
        made.context()


def test_a_link_goes_by_the_authorities_that_hold_at_each_connection(tmp_path: Path) -> None:
    """One between ends while the gateway runs, and the server shows its next certificate, of the same key."""
    chain, times = Chain(), [Known(now_ms(), is_set=True)]
    path = server_file(tmp_path / "server.pem", chain.leaf_key, chain.leaf(), chain.inter((-9, 400)))
    made = link(tmp_path, chain_pem(chain.inter((-800, 20)), chain.root()), times)
    connected(made, path)
    first = made.context()
    assert made.context() is first
    times.append(Known(now_ms() + 30 * 86_400_000, is_set=True))
    connected(made, path)
    assert made.context() is not first


def test_a_clock_that_was_wrong_at_the_first_connection_does_not_keep_the_link_down(tmp_path: Path) -> None:
    """The server shows no authority between; the gateway has it in its file."""
    chain, times = Chain(), [Known(now_ms() - 500 * 86_400_000, is_set=True)]
    path = server_file(tmp_path / "server.pem", chain.leaf_key, chain.leaf())
    made = link(tmp_path, chain_pem(chain.inter((-9, 400)), chain.root()), times)
    with pytest.raises(ssl.SSLCertVerificationError):
        connected(made, path)
    times.append(Known(now_ms(), is_set=True))
    connected(made, path)
