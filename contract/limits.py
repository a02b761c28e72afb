"""Limits of the contract, version 1. Both sides hold them, on writing and on reading."""

VERSION = 1
"""Version of every message; a reader refuses a version it does not know."""

NAME_CHARACTERS_MAX = 64
TEXT_CHARACTERS_MAX = 500
MESSAGE_BYTES_MAX = 256 * 1024
PAYLOAD_BYTES_MAX = 4 * 1024 * 1024
"""After decompression; a message that would unpack to more is refused unread."""

BODY_BYTES_MAX = 128 * 1024
"""Of a desired document; signed and as text it takes 4/3 of that and more, within MESSAGE_BYTES_MAX."""
DESIRED_KINDS_MAX = 16
"""In a hello; there are fewer by now."""

COMMAND_BYTES_MAX = 4 * 1024
"""Of a signed command."""
COMMAND_LIFE_MS_MAX = 24 * 3_600_000
"""From issue to expiry: a command that comes later than this is another day's."""
COMMAND_HOLD_MS_MAX = 7 * 24 * 3_600_000
"""From issue until an output is let go of: a manual command from the centre always ends."""
WHO_CHARACTERS_MAX = 100

SAMPLES_PER_BATCH_MAX = 10_000
EVENTS_PER_BATCH_MAX = 1_000
DEVICES_PER_GATEWAY_MAX = 1_000
EPOCHS_PER_HELLO_MAX = 16
STRETCHES_MAX = 16
"""Of so many boots that numbered a lane of an epoch it is known where they began."""
ROUND_S_MAX = 3600
"""Longest round in which gateways connect again, each in its turn."""
WATCH_S_MAX = 300
"""So long at most a gateway sends live values without being asked again."""
LIVE_SAMPLES_MAX = 1_000
"""In one live message; those that changed longest ago go first, the rest in the next."""
LAMP_CHANGES_MAX = 48
"""In the record of a lamp's night, of what was planned, commanded and measured each."""
LAMP_FAILURES_MAX = 16
TIME_MS_MAX = 253_402_300_799_999
"""The last millisecond of the year 9999."""

INTEGER_MAX = 2**53
"""Integers beyond it would not survive a float64 on their way to a series store."""
