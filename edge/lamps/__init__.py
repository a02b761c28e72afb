"""Lamps follow the stored plan, with the network down as well, and each is proved by reading it back.

Pure but for its own memory: documents, samples and moments in, commands and events out.
"""
