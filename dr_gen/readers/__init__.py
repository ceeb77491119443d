"""Other people's files, and our own log: one reader a format."""
