"""Small budgets of every variant of the optimizer, for property tests."""

from __future__ import annotations

from hypothesis import strategies as st

from omsn.tuning.gazelle import GazelleSettings

VARIANTS = st.builds(
    GazelleSettings,
    population=st.integers(3, 7),
    iterations=st.integers(1, 4),
    herd_weights=st.sampled_from(["uniform", "normal"]),
    migration=st.sampled_from(["scalar", "per_dimension"]),
    best_update=st.sampled_from(["iteration", "gazelle"]),
)
