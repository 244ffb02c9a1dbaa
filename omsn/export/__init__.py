"""Predictions in the formats of other programs."""
