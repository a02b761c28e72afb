"""What a mosquitto is told: its configuration, and who may do what. Pure text."""

from pathlib import Path

from collector.enrolment.names import collector_name
from contract.limits import MESSAGE_BYTES_MAX
from contract.topics import ROOT, Kind, Lane

BROKER_PORT = 8883
UP = (str(Kind.HELLO), *(f"{Kind.UP}/{lane}" for lane in Lane), str(Kind.STATE), str(Kind.LIVE))
"""What a gateway may say of itself."""
DOWN = (*(f"{Kind.ACK}/{lane}" for lane in Lane), str(Kind.WATCH), f"{Kind.CMD}/+", f"{Kind.DESIRED}/+")
"""What it may hear: of the centre, to it alone."""


def access(district: str) -> str:
    """Return the access list: a gateway (%u, its certificate's name) reaches its own topics and no others."""
    any_gateway, own = f"{ROOT}/{district}/+", f"{ROOT}/{district}/%u"
    lines = [
        "# Written by gengfu collector init. What is not allowed here is not allowed.",
        "# mosquitto grants every subscription, and hands out what the subscriber may read.",
        "",
        "# The centre itself; no gateway can have this name.",
        f"user {collector_name(district)}",
        *(f"topic read {any_gateway}/{tail}" for tail in UP),
        *(f"topic write {any_gateway}/{tail}" for tail in DOWN),
        "",
        "# Gateways, each by the name in its certificate.",
        *(f"pattern write {own}/{tail}" for tail in UP),
        *(f"pattern read {own}/{tail}" for tail in DOWN),
    ]
    return "\n".join(lines) + "\n"


def configuration(folder: Path, user: str, *, port: int = BROKER_PORT, host: str = "") -> str:
    """Return mosquitto.conf; ``folder`` is absolute and holds everything that it names."""
    return f"""# Written by gengfu collector init; run with  mosquitto -c {folder}/mosquitto.conf
# The broker of one district: whoever connects is known by a certificate of the district's authority.

user {user}
# whose the files here are; started as another user, this line is not heeded
pid_file {folder}/mosquitto.pid
persistence true
persistence_location {folder}/data/
persistent_client_expiration 30d
log_dest stderr
log_type error
log_type warning
log_type notice

listener {port}{f" {host}" if host else ""}
protocol mqtt
cafile {folder}/ca.pem
certfile {folder}/server.pem
keyfile {folder}/server_key.pem
crlfile {folder}/crl.pem
# read again, as the access list is, on SIGHUP
require_certificate true
use_identity_as_username true
# the common name of the certificate is who it is,
use_username_as_clientid true
# and its session: nobody takes over another's by calling themselves alike
allow_anonymous false
acl_file {folder}/acl

max_connections 5000
max_keepalive 1200
max_packet_size {2 * MESSAGE_BYTES_MAX}
max_inflight_messages 1000
max_queued_messages 100000
max_queued_bytes 268435456
queue_qos0_messages false
sys_interval 10
"""
