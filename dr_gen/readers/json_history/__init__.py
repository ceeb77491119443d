"""Histories in one JSON document."""
