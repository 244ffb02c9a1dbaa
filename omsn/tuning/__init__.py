"""Searching for settings: the Mountain Gazelle Optimizer, its Optuna sampler, many candidates in one batch."""
