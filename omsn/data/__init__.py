"""Corpora, manifests, splits and data sets."""
