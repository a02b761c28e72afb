"""Settings that the centre sends: verified, tried, confirmed by contact, or rolled back."""
