"""The console: pages for the command centre, in Chinese and English, that need nothing from elsewhere."""
