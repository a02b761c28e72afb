"""A process that proves itself at a TLS server by a key of a TPM, again and again, on two threads at once.

``python -m tests.edge.identity.tpm_sessions FOLDER TCTI ROUNDS``: prints, as JSON, by which TLS the server
saw whom, and what went wrong.
"""

import contextlib
import json
import socket
import ssl
import sys
import threading
from pathlib import Path

from cryptography import x509

from edge.identity import enrolling, trust
from edge.identity.trust import Known, LinkTls
from edge.settings import Identity


def served(folder: Path, seen: list[str]) -> int:
    """Serve on a thread; return the port."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "server.pem")
    server.load_verify_locations(folder / "ca.pem")
    server.verify_mode = ssl.CERT_REQUIRED
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            plain, _ = listening.accept()
            with contextlib.suppress(OSError), server.wrap_socket(plain, server_side=True) as secure:
                shown = x509.load_der_x509_certificate(secure.getpeercert(binary_form=True) or b"")
                seen.append(f"{secure.version()} {enrolling.common_names(shown)[0]}")
                secure.sendall(b"hello")

    threading.Thread(target=serve, daemon=True).start()
    port: int = listening.getsockname()[1]
    return port


def main(folder: Path, tcti: str, rounds: int) -> None:
    """Do it."""
    seen: list[str] = []
    wrong: list[str] = []
    port = served(folder, seen)
    files = folder / "ca.pem", folder / "cert.pem", folder / "key.pem"
    wanted = Identity(key="tpm", tpm=tcti)

    def own() -> LinkTls:
        return LinkTls(*files, lambda: Known(0, is_set=False), wanted)

    def once(tls: ssl.SSLContext, newest: ssl.TLSVersion) -> None:
        tls.maximum_version = newest
        plain = socket.create_connection(("127.0.0.1", port), timeout=20)
        with plain, tls.wrap_socket(plain, server_hostname="localhost") as secure:
            assert secure.recv(5) == b"hello"

    def prove(newest: ssl.TLSVersion) -> None:
        same = own()
        for _ in range(rounds):
            try:
                once((same if newest is ssl.TLSVersion.TLSv1_3 else own()).context(), newest)
            except (OSError, AssertionError) as error:
                wrong.append(str(error))

    threads = [
        threading.Thread(target=prove, args=(newest,))
        for newest in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stranger = trust.context((folder / "ca.pem").read_bytes(), lambda: Known(0, is_set=False))
    stranger.load_cert_chain(folder / "server.pem")  # a key in a file works beside it
    with stranger.wrap_socket(
        socket.create_connection(("127.0.0.1", port), timeout=20), server_hostname="localhost"
    ) as secure:
        secure.recv(5)
    sys.stdout.write(json.dumps({"seen": seen, "wrong": wrong}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
