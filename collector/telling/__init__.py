"""People are told of incidents: few messages, none lost, each told exactly once."""
