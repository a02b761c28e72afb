"""A real mosquitto on a free loopback port, with a folder and a configuration of its own."""

import os
import pwd

from simulators.errors import SimulatorError
from simulators.servers import HOST, Server


class BrokerError(SimulatorError):
    """mosquitto is missing or did not start; the text says what to do."""


class Mosquitto(Server):
    """One broker process; stopped politely, it writes its persistence file."""

    name = "mosquitto"
    error = BrokerError

    def arguments(self) -> list[str]:
        """Return how it is called, once its configuration is written; BrokerError where it cannot be."""
        user = pwd.getpwuid(os.getuid()).pw_name
        configuration = self.folder / "mosquitto.conf"
        text = (
            f"user {user}\n"  # as root it would drop to its own user and lose its folder
            f"listener {self.port} {HOST}\n"
            "allow_anonymous true\n"
            "persistence true\n"
            f"persistence_location {self.folder}/\n"
            "log_dest stderr\n"
            "log_type error\nlog_type warning\nlog_type notice\n"
            "max_queued_messages 100000\n"
            "max_inflight_messages 1000\n"
            "sys_interval 1\n"
        )
        try:
            configuration.write_text(text)
        except OSError as error:
            raise BrokerError(
                f"{configuration}: cannot be written: {error.strerror}; choose another folder"
            ) from error
        return ["-c", str(configuration)]

    def wipe(self) -> None:
        """Remove sessions, retained messages and queues of a stopped broker."""
        (self.folder / "mosquitto.db").unlink(missing_ok=True)
