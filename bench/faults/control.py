"""The control: pymodbus's serial client meets the same; its defaults, but a short timeout and no retries."""

import asyncio
import logging
import time
from collections.abc import Iterator

from pymodbus.client import ModbusSerialClient
from pymodbus.pdu import ModbusPDU

from bench.faults.plan import Step
from bench.faults.ptys import BAUD, TIMEOUT_S, Answer, Session, on_a_pty
from bench.faults.tally import Tally


def campaign(seed: int, transactions: int) -> Tally:
    """Run so many transactions over pymodbus's synchronous client."""
    logging.getLogger("pymodbus").setLevel(logging.CRITICAL)

    async def main(session: Session, part: Iterator[Step]) -> None:
        client = ModbusSerialClient(str(session.port.path), baudrate=BAUD, timeout=TIMEOUT_S, retries=0)

        async def ask(step: Step) -> Answer:
            sent_ns = time.monotonic_ns()
            try:
                if not client.connect():
                    return Answer(None, "line_unavailable", 0)
                answer = await asyncio.to_thread(_asked, client, step)
            except Exception as error:  # what a client stumbles over is no value
                return Answer(None, type(error).__name__, sent_ns)
            return Answer(bytes([answer.function_code]) + answer.encode(), "", sent_ns)

        try:
            await session.play(part, ask)
        finally:
            client.close()  # type: ignore[no-untyped-call]

    return on_a_pty(seed, transactions, main, ours=False)


def _asked(client: ModbusSerialClient, step: Step) -> ModbusPDU:
    unit_id, address, values = step.unit_id, step.address, list(step.values)
    if values and step.table == "coil":
        return client.write_coil(address, bool(values[0]), device_id=unit_id)
    if len(values) == 1:
        return client.write_register(address, values[0], device_id=unit_id)
    if values:
        return client.write_registers(address, values, device_id=unit_id)
    reads = {
        "coil": client.read_coils,
        "discrete_input": client.read_discrete_inputs,
        "holding_register": client.read_holding_registers,
        "input_register": client.read_input_registers,
    }
    return reads[step.table](address, count=step.count, device_id=unit_id)
