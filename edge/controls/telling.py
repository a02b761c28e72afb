"""What a control puts on record: its events and alarms."""

from contract.events import AlarmCleared, AlarmRaised, ControlAction, ControlChanged, Holder
from contract.samples import Value
from edge.clock import Moment
from edge.controls.settings import Control
from edge.rules.effects import Emit, Ids, RuleEffect
from edge.settings import Ref

TEXT_MAX = 500


class Teller:
    """Makes a control's events."""

    def __init__(self, control: Control, part: str, ids: Ids) -> None:
        """``part`` is the city part that its output's device watches."""
        self._control, self._part, self.ids = control, part, ids

    def event(
        self,
        output: Ref,
        action: ControlAction,
        reason: str,
        now: Moment,
        *,
        holder: Holder = Holder.RULE,
        who: str = "",
        cause: str = "",
        sent: Value = None,
        read_back: Value = None,
    ) -> Emit:
        """Return what happened to the output."""
        return Emit(
            ControlChanged(
                self.ids(),
                now.wall_ms,
                self._control.name,
                *output,
                action,
                reason[:TEXT_MAX],
                now.clock,
                holder,
                who[:TEXT_MAX],
                cause,
                sent,
                read_back,
            )
        )

    def raised(self, output: Ref, message: str, now: Moment) -> tuple[str, list[RuleEffect]]:
        """Return a fresh alarm's id, and the alarm."""
        alarm_id = self.ids()
        control = self._control
        raised = AlarmRaised(
            alarm_id,
            now.wall_ms,
            control.name,
            *output,
            control.problem,
            control.priority,
            message[:TEXT_MAX],
            self._part,
            clock=now.clock,
        )
        return alarm_id, [Emit(raised)]

    def cleared(self, output: Ref, alarm_id: str, now: Moment) -> list[RuleEffect]:
        """Return the end of an alarm; nothing where there is none."""
        if not alarm_id:
            return []
        return [Emit(AlarmCleared(alarm_id, now.wall_ms, self._control.name, *output, clock=now.clock))]
