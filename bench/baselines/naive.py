"""The gateway that one writes in an afternoon: pymodbus for each device, paho-mqtt, JSON, nothing durable.

Each device has its client and its loop; each reading is published at once, as one JSON message of QoS 1.
"""

import asyncio
import json
import signal
import time

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion
from pymodbus.client import AsyncModbusTcpClient

from bench.baselines.asked import HOST, LIFE_MAX_S, REGISTERS, Asked, asked

TIMEOUT_S = 3


async def poll(device: str, port: int, broker: Client, interval_s: float) -> None:
    """Read a device each interval and publish what it says."""
    client = AsyncModbusTcpClient(HOST, port=port, timeout=TIMEOUT_S)
    await client.connect()
    loop = asyncio.get_running_loop()
    due_s = loop.time()
    while True:
        answer = await client.read_holding_registers(0, count=REGISTERS, device_id=1)
        if not answer.isError():
            values = {f"value_{number}": word for number, word in enumerate(answer.registers, 1)}
            message = {"device": device, "time": time.time(), "values": values}
            broker.publish(f"naive/{device}", json.dumps(message), qos=1)
        due_s += interval_s
        await asyncio.sleep(due_s - loop.time())


async def run(given: Asked) -> None:
    """Poll all devices until told to end."""
    broker = Client(CallbackAPIVersion.VERSION2)
    broker.connect(HOST, given.broker)
    broker.loop_start()
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    polling = [
        asyncio.create_task(poll(f"device-{number}", port, broker, given.interval_s))
        for number, port in enumerate(given.ports, 1)
    ]
    print(json.dumps({"ready": True}), flush=True)
    await stop.wait()
    for task in polling:
        task.cancel()
    broker.disconnect()
    broker.loop_stop()


if __name__ == "__main__":
    signal.alarm(LIFE_MAX_S)
    asyncio.run(run(asked(__doc__)))
