"""Working calendar and time limits of cases: when a case is due, and how long it has been worked on. Pure."""
