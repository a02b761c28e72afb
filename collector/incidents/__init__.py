"""Incidents: alarms that are one happening are told as one."""
