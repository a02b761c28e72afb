"""Alarms: a projection of what gateways tell."""
