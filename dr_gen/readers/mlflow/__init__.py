"""What MLflow stores, in folders and in SQLite databases."""
