"""Declared rules: alarms and controls. Pure: samples and the moment in, events and commands out."""
