"""What a run is, in memory: findings, curves, hyperparameters, runs and groups of them."""
