"""A channel that fails is an alarm of the centre itself, told over the channels that are left."""

from collections.abc import Callable

from sqlalchemy import Connection, select

from collector.alarms.book import AlarmBook, Ended
from collector.alarms.happening import Alarm
from collector.incidents.labels import CENTRE
from collector.tables import alarms
from contract.events import AlarmCleared, Priority
from contract.samples import ClockState
from toml_files import Title

RULE = PROBLEM = "channel_failing"
TITLE = Title(en="Messages to people fail", zh="通知通道故障")
MESSAGE_CHARACTERS_MAX = 300


class ChannelAlarms:
    """One standing alarm for each channel that fails."""

    def __init__(self, book: AlarmBook, *, now_ms: Callable[[], int], new_id: Callable[[], str]) -> None:
        """``book`` is the one that all alarms go through."""
        self._book, self._now_ms, self._new_id = book, now_ms, new_id

    def failing(self, connection: Connection, channel: str, reason: str) -> None:
        """See ChannelWatch."""
        if self._standing(connection, channel):
            return
        now_ms = self._now_ms()
        message = f"Channel {channel} fails / 通道 {channel} 故障: {reason}"[:MESSAGE_CHARACTERS_MAX]
        alarm = Alarm(
            gateway=CENTRE,
            id=self._new_id(),
            rule=RULE,
            device=channel,
            point="",
            condition="",
            problem=PROBLEM,
            priority=Priority.HIGH,
            message=message,
            part="",
            value=None,
            limit=None,
            clock=ClockState.SYNCHRONISED,
            raised_ms=now_ms,
            received_ms=now_ms,
        )
        self._book.take(connection, [alarm])

    def working(self, connection: Connection, channel: str) -> None:
        """See ChannelWatch."""
        now_ms = self._now_ms()
        events = [
            AlarmCleared(alarm_id, now_ms, RULE, channel, "")
            for alarm_id in self._standing(connection, channel)
        ]
        self._book.take(connection, [Ended(CENTRE, event, now_ms) for event in events])

    @staticmethod
    def _standing(connection: Connection, channel: str) -> list[str]:
        query = select(alarms.c.id).where(
            alarms.c.gateway == CENTRE,
            alarms.c.rule == RULE,
            alarms.c.device == channel,
            alarms.c.cleared_ms.is_(None),
        )
        return list(connection.scalars(query))
