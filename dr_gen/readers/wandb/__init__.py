"""Runs of Weights & Biases."""
