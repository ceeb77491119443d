"""Figures of runs and of what was found about them; matplotlib, without pyplot."""
