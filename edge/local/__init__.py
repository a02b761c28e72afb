"""The gateway's local socket: what people at the cabinet ask of the running daemon."""
