"""The front door: the ``gengfu`` command, the demo, the whole-system simulation."""
