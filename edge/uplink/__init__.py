"""From the buffer to the centre: the end-to-end acknowledgement, and the MQTT link under it."""
