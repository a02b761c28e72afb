"""Desired documents at the gateway: judged, kept on disk, put in force at their time, and answered for."""
