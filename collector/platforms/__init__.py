"""City platforms: cases on their way there."""
