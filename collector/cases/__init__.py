"""Cases: one for each problem, from its alarm to its end."""
