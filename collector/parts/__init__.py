"""City parts: what a device watches, where it stands and who owns it."""
