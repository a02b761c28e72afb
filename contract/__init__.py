"""What edge and collector promise each other: samples, batches, events, commands, topics, encoding.

Imports nothing of ours. Malformed input of every kind raises :class:`contract.errors.ContractError`.
"""
