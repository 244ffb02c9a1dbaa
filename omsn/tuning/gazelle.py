"""The Mountain Gazelle Optimizer (paper 2.5.2), as ask and tell on arrays.

Source: Abdollahzadeh, Gharehchopogh, Khodadadi, Mirjalili, Advances in Engineering Software 174:103282 (2022),
doi 10.1016/j.advengsoft.2022.103282, equations 1 to 9. In every iteration each of the N gazelles has four offspring,
one an operator: territorial solitary males (TSM), maternity herds (MH), bachelor male herds (BMH) and migration in
search of food (MSF). The best N of parents and offspring live on.

Where published programs differ, ``GazelleSettings`` names the choices. Fixed here, as in the authors' own release:
one matrix of coefficients a gazelle and iteration, of which every use picks a row anew; r3, the r4 inside the cosine,
r6 and the ri are one number a gazelle; candidates outside the bounds are clipped to them.

The equations add coordinates and take their absolute values, so the search is drawn to the origin and depends on the
scale of each dimension: shifting or scaling the space changes the result.

Letters in shape comments: N herd, B gazelles that breed in this batch, D dimensions.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from omsn.errors import ConfigError, InputError
from omsn.tuning.herd import Herd, points_of, rankable
from omsn.tuning.operators import (
    Box,
    Reals,
    bachelor_male_herds,
    coefficient_rows,
    maternity_herds,
    migration,
    reals,
    stride,
    territorial_solitary_males,
    territory,
    young_males,
)

HerdWeights = Literal["uniform", "normal"]
Migration = Literal["scalar", "per_dimension"]
BestUpdate = Literal["iteration", "gazelle"]

OPERATORS = ("TSM", "MH", "BMH", "MSF")
_CHOICES = {
    "herd_weights": get_args(HerdWeights),
    "migration": get_args(Migration),
    "best_update": get_args(BestUpdate),
}


@dataclass(frozen=True)
class GazelleSettings:
    """Budget of the search, and the choices in which published programs differ.

    Raises:
        ConfigError: a field is out of range or unknown; all are listed.
    """

    population: int = 50
    """N, gazelles in the herd."""
    iterations: int = 100
    """T, iterations after the starting herd: N + 4NT evaluations in all."""
    herd_weights: HerdWeights = "uniform"
    """What r1 and r2 of the young males are drawn from: U(0, 1) (authors' release; floor 0 and ceil 1 leave the mean
    of the group alone) or N(0, 1) (mealpy)."""
    migration: Migration = "scalar"
    """r7: one number for all dimensions (the equation as printed: points of the box's diagonal), or one a dimension
    (mealpy: points of the whole box). The same where there is one dimension."""
    best_update: BestUpdate = "iteration"
    """When the best so far is replaced: after a whole iteration, all 4N candidates being asked for at once (mealpy),
    or after each gazelle's four (authors' release)."""

    def __post_init__(self) -> None:
        rules = {
            name: (type(value) is int and value >= least, f"a whole number, at least {least}")
            for name, value, least in (("population", self.population, 3), ("iterations", self.iterations, 1))
        }
        rules |= {
            name: (getattr(self, name) in names, f"one of {', '.join(names)}") for name, names in _CHOICES.items()
        }
        problems = [
            f"GazelleSettings.{name}: got {getattr(self, name)!r}, expected {rule}"
            for name, (holds, rule) in rules.items()
            if not holds
        ]
        if problems:
            raise ConfigError("; ".join(problems))

    @property
    def n_evaluations(self) -> int:
        """Evaluations of a whole search, N + 4NT."""
        return self.population * (1 + len(OPERATORS) * self.iterations)


def starting_herd(box: Box, count: int, generator: np.random.Generator) -> Reals:
    """Points drawn uniformly from the box: (count, D)."""
    return box.clip(migration(box, generator.random((count, len(box.low)))))


def offspring(
    herd: Reals,
    male: Reals,
    box: Box,
    settings: GazelleSettings,
    progress: float,
    generator: np.random.Generator,
    rows: slice = slice(None),
) -> Reals:
    """The four offspring of each gazelle of ``rows``, clipped to the box.

    Args:
        herd: (N, D), best first.
        male: (D,) the best point so far.
        box: the bounds.
        settings: which variant to draw.
        progress: t/T in (0, 1], t = 1 in the first iteration.
        generator: what the random numbers come from; it moves on.
        rows: which B gazelles of the herd breed.

    Returns:
        (4B, D): four rows a gazelle, in the order of ``OPERATORS``.
    """
    gazelles = herd[rows]  # (B, D)
    shape = n_breeding, n_dims = gazelles.shape
    young = _draw_young_males(herd, n_breeding, settings.herd_weights, generator)  # (B, D)
    cofs = _draw_coefficients(shape, progress, generator)  # (4, B, D)
    ri = generator.integers(1, 3, size=(6, n_breeding, 1)).astype(np.float64)  # (6, B, 1)
    strides = stride(generator.standard_normal(shape), progress)
    mates = herd[generator.integers(len(herd), size=n_breeding)]  # (B, D)
    territories = territory(gazelles, male, generator.random((n_breeding, 1)))
    r7 = generator.random((n_breeding, 1 if settings.migration == "scalar" else n_dims))
    young_of_each = (
        territorial_solitary_males(male, young, gazelles, strides, cofs[0], ri[0], ri[1]),
        maternity_herds(young, cofs[1], male, mates, cofs[2], ri[2], ri[3]),
        bachelor_male_herds(gazelles, territories, male, young, cofs[3], ri[4], ri[5]),
        migration(box, r7),
    )
    return box.clip(np.stack(young_of_each, axis=1).reshape(-1, n_dims))  # (4B, D)


def _draw_young_males(herd: Reals, n_breeding: int, weights: HerdWeights, generator: np.random.Generator) -> Reals:
    n_herd, n_group = len(herd), -(-len(herd) // 3)
    keys = generator.random((n_breeding, n_herd))
    groups = np.argpartition(keys, n_group - 1, axis=1)[:, :n_group]  # (B, N/3), without replacement
    outsiders = generator.integers(n_group - 1, n_herd, size=n_breeding)  # ceil(N/3) to N, counted from 1
    draw = generator.random if weights == "uniform" else generator.standard_normal
    r1, r2 = draw((2, n_breeding, 1))
    return young_males(herd[outsiders], herd[groups].mean(axis=1), r1, r2)  # (B, D)


def _draw_coefficients(shape: tuple[int, int], progress: float, generator: np.random.Generator) -> Reals:
    """A row of each gazelle's matrix for each of the four uses: (4, B, D)."""
    n_breeding = shape[0]
    r3, r5 = generator.random((2, n_breeding, 1))
    n2, n3, n4 = generator.standard_normal((3, *shape))
    matrix = coefficient_rows(progress, r3, n2, generator.random(shape), n3, n4, r5)  # (B, 4, D)
    picks = generator.integers(matrix.shape[1], size=(4, n_breeding))
    return matrix[np.arange(n_breeding), picks]  # (4, B, D)


class Gazelle:
    """The search itself. Ask for candidates, measure them, tell their losses, until ``done``.

    Args:
        low: lower bound of each dimension, (D,).
        high: upper bound of each dimension, (D,).
        settings: budget and variant.
        seed: of the search's own random numbers; None draws one from the system.

    Raises:
        InputError: the bounds are not two vectors of numbers, low < high.
        ConfigError: the seed is no whole number from 0, or the settings are none.

    Example:
        >>> search = Gazelle([-5.0], [-1.0], GazelleSettings(population=10, iterations=20), seed=0)
        >>> while not search.done:
        ...     candidates = search.ask()
        ...     search.tell((candidates[:, 0] + 3) ** 2)
        >>> search.n_evaluations, bool(abs(search.best_point[0] + 3) < 1e-3)
        (810, True)
    """

    def __init__(
        self,
        low: ArrayLike,
        high: ArrayLike,
        settings: GazelleSettings | None = None,
        seed: int | None = None,
    ) -> None:
        self.box = Box.of(low, high)
        self.settings = checked_settings(settings, "Gazelle")
        self.iteration = 0
        """Iterations completed, 0 to T."""
        self.n_unusable = 0
        """Losses told so far that were NaN or infinite."""
        self._generator = np.random.default_rng(checked_seed(seed, "Gazelle"))
        self._parents = self._offspring = Herd.none(len(self.box.low))
        self._asked: Reals | None = None

    @property
    def done(self) -> bool:
        """Whether the budget is spent."""
        return self.iteration >= self.settings.iterations

    @property
    def n_evaluations(self) -> int:
        """Losses told so far."""
        past = self.settings.population * (1 + len(OPERATORS) * self.iteration) if len(self._parents) else 0
        return past + len(self._offspring)

    @property
    def best_point(self) -> Reals:
        """The point with the lowest loss told so far: (D,).

        Raises:
            InputError: nothing has been told yet.
        """
        point: Reals = self._best().points[0].copy()
        return point

    @property
    def best_loss(self) -> float:
        """The lowest loss told so far; infinite while no loss was finite.

        Raises:
            InputError: nothing has been told yet.
        """
        return float(self._best().losses[0])

    def ask(self) -> Reals:
        """The candidates to measure next; the same ones again until their losses are told.

        Returns:
            (N, D) first; then (4N, D) an iteration, or (4, D) a gazelle where ``best_update`` says so.

        Raises:
            InputError: the budget is spent.
        """
        if self.done:
            raise InputError(f"all {self.settings.iterations} iterations are done; start a new search with more")
        if self._asked is None:
            self._asked = self._candidates()
        return self._asked.copy()

    def tell(self, losses: ArrayLike) -> None:
        """Take the losses of the candidates last asked for, in their order; NaN and infinite ones rank last.

        Raises:
            InputError: nothing was asked for, or there is not one loss, a number, a candidate; nothing is changed then.
        """
        if self._asked is None:
            raise InputError("losses told before ask(); ask for candidates, then tell the loss of each")
        told = reals(losses, "losses")
        if told.shape != self._asked.shape[:1]:
            raise InputError(f"losses: got shape {told.shape}, expected {self._asked.shape[:1]}, one a candidate asked")
        self.n_unusable += int((~np.isfinite(told)).sum())
        self._offspring = self._offspring.joined(Herd(self._asked, rankable(told)))
        self._asked = None
        if len(self._offspring) == self.settings.population * (len(OPERATORS) if len(self._parents) else 1):
            self._select()

    def state(self) -> dict[str, Any]:
        """Everything that ``restore`` needs to go on exactly from here, ready for JSON (a null loss: unusable)."""
        return {
            "search": self._identity(),
            "iteration": self.iteration,
            "n_unusable": self.n_unusable,
            "parents": self._parents.rows(),
            "offspring": self._offspring.rows(),
            "asked": None if self._asked is None else self._asked.tolist(),
            "generator": self._generator.bit_generator.state,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from the ``state`` of a search with the same bounds and settings.

        Raises:
            InputError: the state is damaged, or of other bounds or settings; nothing is changed then.
        """
        self._check_same(state.get("search") if isinstance(state, Mapping) else None)
        generator = np.random.default_rng()
        try:
            parents, offspring = (Herd.of(state[name], self.box) for name in ("parents", "offspring"))
            asked = None if state["asked"] is None else points_of(state["asked"], self.box)
            iteration, n_unusable = (operator.index(state[name]) for name in ("iteration", "n_unusable"))
            self._check_possible(parents, offspring, asked, iteration, n_unusable)
            generator.bit_generator.state = state["generator"]
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise InputError(f"state of a search is damaged: {error!r}; start the search anew") from error
        self._parents, self._offspring, self._asked = parents, offspring, asked
        self.iteration, self.n_unusable, self._generator = iteration, n_unusable, generator

    def _candidates(self) -> Reals:
        if not len(self._parents):
            return starting_herd(self.box, self.settings.population, self._generator)
        bred = len(self._offspring) // len(OPERATORS)
        rows = slice(None) if self.settings.best_update == "iteration" else slice(bred, bred + 1)
        progress, male = (self.iteration + 1) / self.settings.iterations, self._best().points[0]
        return offspring(self._parents.points, male, self.box, self.settings, progress, self._generator, rows)

    def _select(self) -> None:
        self.iteration += 1 if len(self._parents) else 0
        self._parents = self._parents.joined(self._offspring).best(self.settings.population)
        self._offspring = Herd.none(len(self.box.low))

    def _best(self) -> Herd:
        if not self.n_evaluations:
            raise InputError("no best point yet: tell the losses of the starting herd first")
        return self._parents.joined(self._offspring).best(1)

    def _check_possible(
        self, parents: Herd, offspring: Herd, asked: Reals | None, iteration: int, n_unusable: int
    ) -> None:
        """Raise ValueError where no search with these settings comes to this."""
        n_herd, n_iterations = self.settings.population, self.settings.iterations
        n_bred, n_more = len(OPERATORS) * n_herd, len(OPERATORS)  # an iteration; a gazelle
        if self.settings.best_update == "iteration":
            n_more = n_bred
        evaluations = n_herd + n_bred * iteration + len(offspring) if len(parents) else 0
        rules = {
            f"iteration {iteration} of {n_iterations}": 0 <= iteration <= (n_iterations if len(parents) else 0),
            f"{len(parents)} parents of {n_herd}": len(parents) in (0, n_herd),
            "parents that are not in the order of their losses": (parents.losses[1:] >= parents.losses[:-1]).all(),
            f"{len(offspring)} offspring": len(offspring) in range(0, n_bred if len(parents) else 1, n_more),
            "offspring after the last iteration": iteration < n_iterations or (not len(offspring) and asked is None),
            "a wrong number of candidates asked": asked is None or len(asked) == (n_more if len(parents) else n_herd),
            f"{n_unusable} losses of {evaluations} unusable": 0 <= n_unusable <= evaluations,
        }
        if not all(rules.values()):
            raise ValueError("; ".join(problem for problem, holds in rules.items() if not holds))

    def _identity(self) -> dict[str, Any]:
        return {"low": self.box.low.tolist(), "high": self.box.high.tolist(), **asdict(self.settings)}

    def _check_same(self, theirs: object) -> None:
        known = theirs if isinstance(theirs, Mapping) else {}
        other = [
            f"{name} {known.get(name)!r}, expected {ours!r}"
            for name, ours in self._identity().items()
            if known.get(name) != ours
        ]
        if other:
            raise InputError(f"state is of another search: got {'; '.join(other)}. Restore it into one like its own")


def checked_settings(settings: GazelleSettings | None, owner: str) -> GazelleSettings:
    """The settings, or the default ones.

    Raises:
        ConfigError: they are something else.
    """
    if settings is not None and not isinstance(settings, GazelleSettings):
        raise ConfigError(f"settings of {owner}: got {settings!r}, expected GazelleSettings(population=..., ...)")
    return settings or GazelleSettings()


def checked_seed(seed: int | None, owner: str) -> int | None:
    """The seed.

    Raises:
        ConfigError: it is neither a whole number from 0 nor None.
    """
    whole = isinstance(seed, int | np.integer) and not isinstance(seed, bool)
    if seed is not None and not (whole and seed >= 0):
        raise ConfigError(f"seed of {owner}: got {seed!r}, expected a whole number from 0, or None for a random one")
    return seed


def minimise(
    function: Callable[[Reals], ArrayLike],
    low: ArrayLike,
    high: ArrayLike,
    settings: GazelleSettings | None = None,
    seed: int | None = None,
) -> Gazelle:
    """Run a whole search on a function that takes candidates (n, D) and gives their n losses."""
    search = Gazelle(low, high, settings, seed)
    while not search.done:
        search.tell(function(search.ask()))
    return search
