"""Metrics that were logged one by one: from series to curves."""
