"""A stranger who publishes whatever a broker lets through, to both ends."""

import json
import random
from collections.abc import Callable

import zstandard

from contract import batches, messages, topics
from contract.batches import Content, Header
from contract.limits import MESSAGE_BYTES_MAX, TIME_MS_MAX, VERSION
from contract.messages import Ack, EpochRange, Hello, LaneRange, State
from contract.samples import ClockState, Sample
from contract.topics import Lane
from tests.faults.stampede import DISTRICT

OURS, VICTIM = "gw-0000", "gw-9999"
EPOCH, BOOT = "e" * 32, "b" * 32
FORGED_ACKS_MAX = 2_000
FORGED_ACKS_SHARE = 0.05
INVENTED_POINTS_MAX = 2_000

Made = tuple[str, bytes]


class Stranger:
    """Makes hostile messages; what goes to the centre is for it to count."""

    def __init__(self, chance: random.Random) -> None:
        """``chance`` decides everything."""
        self._chance = chance
        self._forged = 0
        self.kinds: dict[str, Callable[[], Made]] = {
            "noise": self._noise,
            "cut": self._cut,
            "flipped": self._flipped,
            "bomb": self._bomb,
            "oversized": self._oversized,
            "nested": self._nested,
            "another_gateways": self._another_gateways,
            "unknown_epoch": self._unknown_epoch,
            "far_ahead": self._far_ahead,
            "lying_hello": self._lying_hello,
            "noisy_hello": self._noisy_hello,
            "noisy_state": self._noisy_state,
            "unknown_lane": self._unknown_lane,
            "noisy_ack": self._noisy_ack,
            "ack_of_another_epoch": self._ack_of_another_epoch,
            "ack_rolled_back": self._ack_rolled_back,
            "live_noise": self._live_noise,
            "live_cut": self._live_cut,
            "live_bomb": self._live_bomb,
            "live_oversized": self._live_oversized,
            "live_far_times": self._live_far_times,
            "live_invented": self._live_invented,
            "live_of_another": self._live_of_another,
            "noisy_watch": self._noisy_watch,
            "lying_watch": self._lying_watch,
        }

    def message(self, epoch: str) -> tuple[str, str, bytes]:
        """Return a kind, a topic and a payload; ``epoch`` is that of our gateway now."""
        self._epoch = epoch
        if self._forged < FORGED_ACKS_MAX and self._chance.random() < FORGED_ACKS_SHARE:
            self._forged += 1
            return "forged_ack", *self._forged_ack()
        kind = self._chance.choice(list(self.kinds))
        return kind, *self.kinds[kind]()

    def _batch(self, **changes: object) -> bytes:
        told = {
            "district": DISTRICT,
            "gateway": VICTIM,
            "epoch": EPOCH,
            "lane": Lane.TELEMETRY,
            "sequence": 1,
            "content": Content.SAMPLES,
            "boot_id": BOOT,
            "created_ms": 1_800_000_000_000,
        } | changes
        header = Header(**told)  # type: ignore[arg-type]
        samples = [Sample(1_800_000_000_000 + i, "d", "p", i) for i in range(self._chance.randrange(1, 9))]
        return batches.message(header, batches.samples_payload(samples))

    def _up(self, data: bytes, lane: str = "telemetry", gateway: str = VICTIM) -> Made:
        return f"gengfu/1/{DISTRICT}/{gateway}/up/{lane}", data

    def _bytes(self, most: int = 2000) -> bytes:
        return self._chance.randbytes(self._chance.randrange(most))

    def _noise(self) -> Made:
        return self._up(self._bytes())

    def _cut(self) -> Made:
        data = self._batch()
        return self._up(data[: self._chance.randrange(len(data))])

    def _flipped(self) -> Made:
        data = bytearray(self._batch(sequence=self._chance.randrange(1, 5)))
        for _ in range(self._chance.randrange(1, 6)):
            data[self._chance.randrange(len(data))] ^= 1 << self._chance.randrange(8)
        return self._up(bytes(data), self._chance.choice(["telemetry", "events"]))

    def _bomb(self) -> Made:
        whole = self._batch(sequence=self._chance.randrange(1, 5))
        head = whole[: 5 + int.from_bytes(whole[3:5], "big")]
        return self._up((head + self._bombed())[:MESSAGE_BYTES_MAX])

    def _bombed(self) -> bytes:
        size = self._chance.choice([5_000_000, 100_000_000])
        compressor = zstandard.ZstdCompressor(write_content_size=self._chance.random() < 0.5)
        return b"\x01" + compressor.compress(bytes(size))

    def _oversized(self) -> Made:
        return self._up(self._batch() + bytes(MESSAGE_BYTES_MAX + self._chance.randrange(1000)))

    def _nested(self) -> Made:
        deep = b"\x91" * 50_000 if self._chance.random() < 0.5 else b"[" * 50_000
        return self._chance.choice([self._up(deep), (topics.hello(DISTRICT, VICTIM), deep)])

    def _another_gateways(self) -> Made:
        return self._up(self._batch(gateway="gw-0001"))

    def _unknown_epoch(self) -> Made:
        epoch = self._chance.randbytes(16).hex()
        return self._up(self._batch(epoch=epoch, sequence=self._chance.randrange(1, 4)))

    def _far_ahead(self) -> Made:
        return self._up(self._batch(sequence=2 ** self._chance.randrange(3, 50)))

    def _lying_hello(self) -> Made:
        first = self._chance.randrange(1, 2**40)
        held = {"telemetry": LaneRange(first, self._chance.randrange(1, 2**40)), "events": LaneRange(1, 1)}
        gateway = self._chance.choice([VICTIM, "gw-0001", "x" * 64])
        hello = Hello(
            1,
            DISTRICT,
            gateway,
            BOOT,
            "s",
            1,
            ClockState.UNSET,
            [EpochRange(self._chance.choice([EPOCH, BOOT]), held)],
        )
        return topics.hello(DISTRICT, VICTIM), messages.encode(hello)

    def _noisy_hello(self) -> Made:
        text = json.dumps(
            {"version": self._chance.choice([1, 2, -1, 1e300, None]), "epochs": [[]] * 9}
        ).encode()
        return topics.hello(DISTRICT, VICTIM), self._chance.choice([text, self._bytes() or b"x"])

    def _noisy_state(self) -> Made:
        state = messages.encode(State(1, self._chance.random() < 0.5, BOOT))
        harmed = state[: self._chance.randrange(1, len(state))]
        return topics.state(DISTRICT, VICTIM), self._chance.choice([state, harmed, self._bytes() or b"x"])

    def _unknown_lane(self) -> Made:
        return self._up(self._batch(), self._chance.choice(["nonsense", "x" * 200, "hello", "遥测"]))

    def _ack(self, data: bytes) -> Made:
        return topics.ack(DISTRICT, OURS, self._chance.choice(list(Lane))), data

    def _noisy_ack(self) -> Made:
        return self._ack(self._bytes())

    def _ack_of_another_epoch(self) -> Made:
        return self._ack(messages.encode(Ack(1, EPOCH, self._chance.randrange(2**40), "a" * 32)))

    def _ack_rolled_back(self) -> Made:
        return self._ack(messages.encode(Ack(1, self._epoch, 0)))

    def _forged_ack(self) -> Made:
        upto = self._chance.choice([1, 5, 2**40])
        return self._ack(messages.encode(Ack(1, self._epoch, upto, self._chance.randbytes(16).hex())))

    def _live(self, data: bytes, gateway: str = OURS) -> Made:
        return f"gengfu/1/{DISTRICT}/{gateway}/live", data

    def _invented(self, *times_ms: int) -> bytes:
        points = range(self._chance.randrange(1, INVENTED_POINTS_MAX))
        return batches.live_message(
            Sample(self._chance.choice(times_ms), "invented", f"p{self._chance.getrandbits(64):x}", number)
            for number in points
        )

    def _live_noise(self) -> Made:
        return self._live(self._bytes() or b"x")

    def _live_cut(self) -> Made:
        data = self._invented(1_800_000_000_000)
        return self._live(data[: self._chance.randrange(1, len(data))])

    def _live_bomb(self) -> Made:
        return self._live(self._bombed()[:MESSAGE_BYTES_MAX])

    def _live_oversized(self) -> Made:
        return self._live(bytes(MESSAGE_BYTES_MAX + self._chance.randrange(1, 1000)))

    def _live_far_times(self) -> Made:
        return self._live(self._invented(0, 1, TIME_MS_MAX - 1, TIME_MS_MAX))

    def _live_invented(self) -> Made:
        return self._live(self._invented(1_800_000_000_000))

    def _live_of_another(self) -> Made:
        gateway = self._chance.choice([VICTIM, "gw-0001", "GW", "x" * 200, "更夫"])
        return self._live(self._invented(1_800_000_000_000), gateway)

    def _noisy_watch(self) -> Made:
        return topics.watch(DISTRICT, OURS), self._chance.choice([self._bytes() or b"x", b"[" * 50_000])

    def _lying_watch(self) -> Made:
        for_s = self._chance.choice([0, 1e-9, 300, 301, -1, 1e308, 10**400, None, "x", [1], float("nan")])
        told = {"version": self._chance.choice([VERSION, VERSION, -1, 2**70]), "for_s": for_s}
        return topics.watch(DISTRICT, OURS), json.dumps(told).encode()
