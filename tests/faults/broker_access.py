"""Gateways that reach for what is not theirs: ``python -m tests.faults.broker_access``.

A real mosquitto runs with the configuration and the access list that ``gengfu collector init`` writes. A
gateway with a good certificate publishes to topics of others in every way, subscribes to them in every way,
leaves wills there, and calls itself as others do. The broker's answers, the centre and the neighbour tell
what was let through: nothing may be. Its own topics must all be open to it.

Controls: the same with an access list that forgets who writes, who reads, and a configuration that lets
clients name their sessions themselves. Each must let something through.
"""

import argparse
import json
import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from contract import topics
from contract.topics import ROOT, Lane
from tests.faults.secure_site import DISTRICT, NAME, Identity, SecureSite, collector_name

OURS, VICTIM, OTHERS = "gw-1", "gw-2", ("gw-2", "gw-10", "gw", "gw-1x", "collector", "gw_1")
DENIED_FROM = 128
PATIENCE_S = 30.0
FILTERS_AT_ONCE = 50
UP = ("hello", "up/events", "up/telemetry", "state", "live")
DOWN = ("ack/events", "ack/telemetry", "watch", "cmd/c0ffee", "desired/lamp_plan")
SENTINEL = b"sentinel"
CONTROLS = {
    "writes": ("acl", "pattern write gengfu/1/north/%u", "pattern write gengfu/1/north/+"),
    "reads": ("acl", "pattern read gengfu/1/north/%u", "pattern read gengfu/1/north/+"),
    "sessions": ("mosquitto.conf", "use_username_as_clientid true", "use_username_as_clientid false"),
}
"""What is weakened in which file, and what then stands there."""


class _Client(mqtt.Client):
    """Tells what the broker answers to a publication of QoS 2: paho keeps that to itself."""

    received: Callable[[int, int], None]

    def _handle_pubrec(self) -> Any:
        packet = bytes(self._in_packet["packet"])
        self.received(int.from_bytes(packet[:2], "big"), packet[2] if len(packet) > 2 else 0)
        return super()._handle_pubrec()


@dataclass
class Node:
    """Somebody at the broker, and all that they hear."""

    site: SecureSite
    identity: Identity
    client_id: str
    will: tuple[str, bool] | None = None
    username: str = ""
    patience_s: float = PATIENCE_S
    heard: list[tuple[str, bytes]] = field(default_factory=list)
    answers: dict[int, int] = field(default_factory=dict)
    losses: int = 0

    def __post_init__(self) -> None:
        """Connect; ConnectionError where the broker does not take them."""
        self._news = threading.Condition()
        self._connected: int | None = None
        self._codes: dict[int, int] = {}
        self.client = made = _Client(CallbackAPIVersion.VERSION2, self.client_id, protocol=mqtt.MQTTv5)
        made.tls_set_context(self.site.context(self.identity))
        if self.will:
            made.will_set(self.will[0], b"will", qos=1, retain=self.will[1])
        if self.username:
            made.username_pw_set(self.username, "password")
        made.received = self._answered
        made.on_connect = self._on_connect
        made.on_message = self._on_message
        made.on_publish = lambda _c, _u, mid, code, _p: self._done(mid, code.value)
        made.on_subscribe = lambda _c, _u, mid, codes, _p: self._done(mid, max(c.value for c in codes))
        made.on_unsubscribe = lambda _c, _u, mid, codes, _p: self._done(mid, 0)
        made.on_disconnect = lambda *_: self._lost()
        made.reconnect_delay_set(60, 60)  # who is cut stays away: it is to be seen
        made.connect(NAME, self.site.port, keepalive=60)
        made.loop_start()
        if not self.until(lambda: self._connected is not None or self.losses > 0, self.patience_s) or (
            self._connected != 0
        ):
            self.end()
            raise ConnectionError(f"{self.client_id}: not connected ({self._connected})")

    def until(self, holds: Callable[[], bool], limit_s: float = PATIENCE_S) -> bool:
        """Wait until something holds, and say whether it does."""
        with self._news:
            return self._news.wait_for(holds, limit_s)

    def publish(
        self, topic: str, payload: bytes, qos: int = 1, *, retain: bool = False, alias: int = 0
    ) -> int:
        """Publish; return the message's number, 0 where the client itself refuses."""
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        if alias:
            properties.TopicAlias = alias
        try:
            return self.client.publish(topic, payload, qos, retain, properties).mid
        except ValueError:
            return 0

    def settled(self, mids: set[int]) -> None:
        """Wait until the broker has answered all of these; TimeoutError."""
        if not self.until(lambda: mids <= self.answers.keys()):
            raise TimeoutError(f"{self.client_id}: {len(mids - self.answers.keys())} without an answer")

    def subscribed(self, filters: Iterable[str], qos: int = 1) -> None:
        """Subscribe, and wait for the broker's answers; TimeoutError."""
        options = SubscribeOptions(qos=qos, retainAsPublished=True)
        self.settled({self.client.subscribe([(each, options)])[1] or 0 for each in filters})

    def hears(self, topic: str, payload: bytes) -> None:
        """Wait until a message has come; TimeoutError."""
        if not self.until(lambda: (topic, payload) in self.heard):
            raise TimeoutError(f"{self.client_id}: {topic} did not come")

    def end(self, *, rudely: bool = False) -> None:
        """Leave; ``rudely``: so that the will is published."""
        if rudely:
            self.client.loop_stop()
            if sock := self.client.socket():
                sock.close()
            return
        self.client.disconnect()
        self.client.loop_stop()

    def _on_connect(self, _c: object, _u: object, _f: object, code: ReasonCode, _p: object) -> None:
        with self._news:
            self._connected = code.value
            self._news.notify_all()

    def _on_message(self, _c: object, _u: object, message: mqtt.MQTTMessage) -> None:
        with self._news:
            self.heard.append((message.topic, bytes(message.payload)))
            self._news.notify_all()

    def _answered(self, mid: int, code: int) -> None:
        self._codes[mid] = max(code, self._codes.get(mid, 0))

    def _done(self, mid: int, code: int) -> None:
        self._answered(mid, code)
        with self._news:
            self.answers[mid] = self._codes.pop(mid)
            self._news.notify_all()

    def _lost(self) -> None:
        with self._news:
            self.losses += 1
            self._news.notify_all()


def foreign_topics(random_: random.Random) -> Iterator[str]:
    """Yield topics that are not ours to write, of every kind, without end."""
    own = f"{ROOT}/{DISTRICT}/{OURS}"
    while True:
        other, tail = random_.choice(OTHERS), random_.choice((*UP, *DOWN))
        yield random_.choice(
            (
                f"{ROOT}/{DISTRICT}/{other}/{tail}",
                f"{ROOT}/{DISTRICT}/{VICTIM}/{tail}",
                f"{ROOT}/{DISTRICT}/{VICTIM}/{tail}",
                f"{ROOT}/south/{OURS}/{tail}",
                f"{ROOT}/south/{other}/{tail}",
                f"gengfu/2/{DISTRICT}/{OURS}/{tail}",
                f"{own}/{random_.choice(DOWN)}",  # what only the centre says to us
                f"{own}/up/other",
                f"{own}/{tail}/more",
                f"{own}",
                f"/{own}/{tail}",
                f"{ROOT}//{OURS}/{tail}",
                f"{ROOT}/{DISTRICT}/{OURS}/../{VICTIM}/{tail}",
                f"{ROOT}/{DISTRICT}/{OURS.upper()}/{tail}",
                f"{ROOT}/{DISTRICT}/%u/{tail}",
                f"{ROOT}/{DISTRICT}/{collector_name(DISTRICT)}/{random_.choice(DOWN)}",
                "$SYS/broker/uptime",
                "$CONTROL/dynamic-security/v1",
                f"$share/group/{ROOT}/{DISTRICT}/{VICTIM}/{tail}",
                "plain",
            )
        )


def foreign_filters(random_: random.Random) -> Iterator[str]:
    """Yield filters that reach beyond what is ours to read, of every kind, without end."""
    while True:
        other, tail = random_.choice(OTHERS), random_.choice((*UP, *DOWN))
        plain = random_.choice(
            (
                "#",
                "+/#",
                "gengfu/#",
                f"{ROOT}/#",
                f"{ROOT}/{DISTRICT}/#",
                f"{ROOT}/+/+/+/+",
                f"{ROOT}/{DISTRICT}/+/{tail}",
                f"{ROOT}/{DISTRICT}/{other}/{tail}",
                f"{ROOT}/{DISTRICT}/{VICTIM}/{tail}",
                f"{ROOT}/{DISTRICT}/{VICTIM}/#",
                f"{ROOT}/+/{VICTIM}/+/+",
                f"+/+/+/{VICTIM}/#",
                f"{ROOT}/south/#",
                "$SYS/#",
                "$SYS/broker/+",
                "$CONTROL/#",
            )
        )
        shared = plain if plain.startswith("$") else f"$share/{random_.choice(('a', 'b'))}/{plain}"
        yield random_.choice((plain, plain, shared))


class Campaign:
    """One broker, the centre's ear, a neighbour, and somebody who reaches for what is theirs."""

    def __init__(self, site: SecureSite, seed: int) -> None:
        """Issue identities."""
        self._site, self._random = site, random.Random(seed)
        self._ours, self._victims = site.identity(OURS), site.identity(VICTIM)
        self.allowed = dict.fromkeys(("published", "heard", "wills", "sessions", "retained"), 0)
        self.own_refused = 0
        self.tries = dict.fromkeys(("publishes", "subscriptions", "wills", "sessions"), 0)
        self._count = 0

    def play(self, publishes: int, subscriptions: int, wills: int, sessions: int) -> None:
        """Try so often in each way."""
        with ExitStack() as stack:
            self.centre = stack.enter_context(self._node(self._site.centre_identity, "centre"))
            self.victim = stack.enter_context(self._node(self._victims, "victim"))
            for node, tails in ((self.centre, UP), (self.victim, DOWN)):
                gateway = "+" if node is self.centre else VICTIM
                mids = {
                    node.client.subscribe(f"{ROOT}/{DISTRICT}/{gateway}/{tail}", qos=1)[1] or 0
                    for tail in tails
                }
                node.settled(mids)
            self._say_everything(retain=True)
            with self._node(self._ours, "ours") as us:
                self._own_topics(us)
                self._publish(us, publishes)
                self._subscribe(us, subscriptions)
            self._leave_wills(wills)
            self._take_over(sessions)
            self._retained()

    @contextmanager
    def _node(self, identity: Identity, client_id: str, **more: object) -> Iterator[Node]:
        node = Node(self._site, identity, client_id, **more)  # type: ignore[arg-type]
        try:
            yield node
        finally:
            node.end()

    def _own_topics(self, us: Node) -> None:
        """What is ours must be open: every topic, both ways."""
        us.subscribed(f"{ROOT}/{DISTRICT}/{OURS}/{tail}" for tail in DOWN)
        for tail in UP:
            us.publish(f"{ROOT}/{DISTRICT}/{OURS}/{tail}", b"own", retain=tail == "state")
        for tail in DOWN:
            self.centre.publish(f"{ROOT}/{DISTRICT}/{OURS}/{tail}", b"own")
        for node, tails in ((self.centre, UP), (us, DOWN)):
            for tail in tails:
                try:
                    node.hears(f"{ROOT}/{DISTRICT}/{OURS}/{tail}", b"own")
                except TimeoutError:
                    self.own_refused += 1

    def _publish(self, us: Node, count: int) -> None:
        """Publish where we must not, with each quality, retained and not, by alias and not."""
        foreign = foreign_topics(self._random)
        asked: set[int] = set()
        for _ in range(count):
            topic, qos = next(foreign), self._random.choice((0, 1, 1, 2))
            alias = self._random.choice((0, 0, 0, 1, 2))
            mid = us.publish(topic, b"foreign", qos, retain=self._random.random() < 0.5, alias=alias)
            if alias:  # and again, by its number alone
                us.publish("", b"foreign", 0, alias=alias)
            if qos and mid:
                asked.add(mid)
            self.tries["publishes"] += 1
        us.settled(asked)
        self.allowed["published"] += sum(us.answers[mid] < DENIED_FROM for mid in asked)
        self._flush(us)
        self.allowed["heard"] += sum(
            payload == b"foreign" for node in (self.centre, self.victim) for _, payload in node.heard
        )

    def _subscribe(self, us: Node, count: int) -> None:
        """Subscribe where we must not, while everybody else speaks."""
        foreign = foreign_filters(self._random)
        while (left := count - self.tries["subscriptions"]) > 0:
            wanted = sorted({next(foreign) for _ in range(min(FILTERS_AT_ONCE, left))})
            us.subscribed(wanted, qos=self._random.choice((0, 1, 2)))
            before = len(us.heard)
            self._say_everything(retain=False)
            self._flush(us)
            own = f"{ROOT}/{DISTRICT}/{OURS}/"
            self.allowed["heard"] += sum(not topic.startswith(own) for topic, _ in us.heard[before:])
            self.tries["subscriptions"] += len(wanted)
            us.settled({us.client.unsubscribe(each)[1] or 0 for each in wanted})

    def _leave_wills(self, count: int) -> None:
        """Die with a will for others."""
        foreign = foreign_topics(self._random)
        for number in range(count):
            topic = next(foreign) if number % 2 else f"{ROOT}/{DISTRICT}/{VICTIM}/state"
            if topic.startswith("$"):
                continue
            self.tries["wills"] += 1
            try:
                node = Node(self._site, self._ours, "ours", (topic, number % 3 == 0))
            except (ConnectionError, OSError):
                continue  # refused with its will
            node.end(rudely=True)
        with self._node(self._ours, "ours") as us:  # takes over what is left, whose will is then due
            self._flush(us)
        self.allowed["wills"] += sum(
            payload == b"will" and not topic.startswith(f"{ROOT}/{DISTRICT}/{OURS}/")
            for node in (self.centre, self.victim)
            for topic, payload in node.heard
        )

    def _take_over(self, count: int) -> None:
        """Call ourselves as others do."""
        for number in range(count):
            client_id, username = self._random.choice(
                (
                    (VICTIM, ""),
                    ("victim", VICTIM),
                    (topics.client_id(DISTRICT, VICTIM), VICTIM),
                    (collector_name(DISTRICT), collector_name(DISTRICT)),
                    ("centre", ""),
                )
            )
            self.tries["sessions"] += 1
            try:
                node = Node(self._site, self._ours, client_id, username=username)
            except (ConnectionError, OSError):
                continue
            node.publish(f"{ROOT}/{DISTRICT}/{VICTIM}/up/events", b"foreign %d" % number)
            self._flush(node)
            node.end()
        self.allowed["sessions"] += self.victim.losses + self.centre.losses
        self.allowed["heard"] += sum(
            payload.startswith(b"foreign ") for _, payload in [*self.centre.heard, *self.victim.heard]
        )

    def _retained(self) -> None:
        """What stayed at the broker under a topic that was not ours to write."""
        if self.centre.losses:
            return
        before = len(self.centre.heard)
        self.centre.subscribed(f"{ROOT}/{DISTRICT}/+/{tail}" for tail in UP)
        with self._node(self._ours, "ours") as us:
            self._flush(us)
        heard = self.centre.heard[before:]
        self.allowed["retained"] += sum(payload in (b"foreign", b"will") for _, payload in heard)

    def _say_everything(self, *, retain: bool) -> None:
        """Let the neighbour and the centre say one message of each kind."""
        mids = {
            self.victim.publish(f"{ROOT}/{DISTRICT}/{VICTIM}/{tail}", b"said", retain=retain) for tail in UP
        }
        self.victim.settled(mids)
        mids = {
            self.centre.publish(
                f"{ROOT}/{DISTRICT}/{VICTIM}/{tail}", b"said", retain=retain and "desired" in tail
            )
            for tail in DOWN
        }
        if not self.centre.losses:
            self.centre.settled(mids)

    def _flush(self, us: Node | None) -> None:
        """Wait until whatever the broker was given has reached whom it lets it reach."""
        self._count += 1
        mark = SENTINEL + str(self._count).encode()
        if us is not None and not us.losses and not self.centre.losses:
            own = topics.up(DISTRICT, OURS, Lane.EVENTS)
            us.publish(own, mark)
            self.centre.hears(own, mark)
        if not self.centre.losses and not self.victim.losses:
            heard = topics.ack(DISTRICT, VICTIM, Lane.EVENTS)
            self.centre.publish(heard, mark)
            self.victim.hears(heard, mark)


def played(folder: Path, seed: int, total: int, weakened: str = "") -> Campaign:
    """Run one broker, sound or weakened, and all that is tried there."""
    site = SecureSite(folder)
    if weakened:
        name, sound, weak = CONTROLS[weakened]
        path = site.folder / "broker" / name
        text = path.read_text()
        if sound not in text:
            raise RuntimeError(f"the control {weakened} weakens nothing")
        path.write_text(text.replace(sound, weak))
    campaign = Campaign(site, seed)
    site.broker.start()
    try:
        campaign.play(total // 2, total // 2, max(4, total // 20), max(4, total // 20))
    finally:
        site.broker.stop()
    return campaign


def main() -> None:
    """Run the campaign and its controls; exit status 1 where something is let through, or no control is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tries", type=int, default=1000, help="Publishes and subscriptions together.")
    parser.add_argument("--control-tries", type=int, default=100, help="The same of each control.")
    parser.add_argument("--seed", type=int, default=8)
    given = parser.parse_args()
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="gengfu-access-") as name:
        folder = Path(name)
        (folder / "sound").mkdir()
        sound = played(folder / "sound", given.seed, given.tries)
        figures: dict[str, int] = {f"access_{what}_tried": count for what, count in sound.tries.items()}
        figures |= {f"access_{what}_allowed": count for what, count in sound.allowed.items()}
        figures["access_own_refused"] = sound.own_refused
        for control in CONTROLS:
            (folder / control).mkdir()
            weak = played(folder / control, given.seed, given.control_tries, control)
            figures[f"access_control_{control}_allowed"] = sum(weak.allowed.values())
    figures["access_took_s"] = round(time.monotonic() - began_s)
    for what, count in figures.items():
        print(f"{what:40} {count:8}")
    print(json.dumps({"name": "broker_access", "figures": figures, "conditions": {"seed": given.seed}}))
    let_through = sum(sound.allowed.values()) + sound.own_refused
    controls = all(figures[f"access_control_{control}_allowed"] for control in CONTROLS)
    sys.exit(bool(let_through) or not controls)


if __name__ == "__main__":
    main()
