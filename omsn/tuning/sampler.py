"""The Mountain Gazelle Optimizer as an Optuna sampler: Optuna's storages, pruners, parallel workers and plots.

Nothing is remembered outside the study. The candidate of a trial follows from the seed, the trial's number (which the
storage gives out once) and the finished trials; so threads, processes and machines on one storage share one search
without talking to each other, and a process that was killed and started again goes on as if nothing had happened.

What follows from the finished trials, taken in the order of their numbers: with F of them, herd N and 4N candidates
an iteration, the search is in iteration t = (F - N) // 4N + 1 (before N: the starting herd, drawn uniformly). Its
herd is the best N of the first N + 4N(t - 1): what survives of parents and offspring, as survival never drops a
better one. Trial n is of operator n mod 4 for gazelle (n div 4) mod N. One worker thus runs the optimizer as
published; with several, an iteration begins when 4N more trials have finished, whichever they are, so that none waits
for a slow or dead one.

Each parameter lies on one axis, linear or logarithmic as declared, whole numbers and steps with half a step to spare
at both ends, categories side by side in their order. All axes run from -10 to 10, because the optimizer's equations
have a natural scale (numbers of about 1 are added to coordinates) and draw towards the origin: the middle of a range.
"""

from __future__ import annotations

import bisect
import heapq
import logging
import math
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler
from optuna.search_space import IntersectionSearchSpace
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from omsn.errors import ConfigError, InputError
from omsn.tuning.gazelle import (
    OPERATORS,
    GazelleSettings,
    checked_seed,
    checked_settings,
    offspring,
    starting_herd,
)
from omsn.tuning.operators import Box, Reals

_LOG = logging.getLogger(__name__)

Space = dict[str, BaseDistribution]

HALF_WIDTH = 10.0
_DRAWN_INDEPENDENTLY = (
    "trial %d began when the search space did not hold %r with this range, so it is drawn independently of the others; "
    "warn_independent_sampling=False silences this"
)
_RELATIVE, _INDEPENDENT = 0, 1  # streams of random numbers
_COMPLETE, _PRUNED, _UNUSABLE = 0, 1, 2  # groups of trials, better ones first


@dataclass(frozen=True, eq=False)
class Evaluation:
    """One finished trial as the optimizer sees it.

    Attributes:
        number: of the trial.
        rank: group and loss, which decide its place in the herd; lower is better.
        point: (D,) coordinates.
    """

    number: int
    rank: tuple[int, float]
    point: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class _Seen:
    """What was read of a study, for one search space; it holds for as long as ``last`` is where it was.

    A trial that has finished never changes, and none comes before it that was not there: the trials up to ``last``
    are those that were read, and only the open ones can have become anything else.

    Attributes:
        space: the parameters searched.
        last: the last trial that had finished; None before any had.
        n_read: trials up to and with that one.
        open: which of those had not finished.
        evaluations: what had, and holds the parameters, in the order of the trials' numbers.
    """

    space: Space
    last: FrozenTrial | None = None
    n_read: int = 0
    open: tuple[int, ...] = ()
    evaluations: tuple[Evaluation, ...] = ()

    def holds(self, space: Space, trials: Sequence[FrozenTrial]) -> bool:
        """Whether these trials of this space are the ones that were read, and perhaps more."""
        there = trials[self.n_read - 1] if 0 < self.n_read <= len(trials) else None
        return self.space == space and there is self.last


@dataclass(frozen=True, eq=False)
class _Selected:
    """The best of the first evaluations, for as long as the last of those is where it was."""

    last: Evaluation
    count: int
    herd: Reals


class GazelleSampler(BaseSampler):
    """Samples by the Mountain Gazelle Optimizer (Abdollahzadeh et al. 2022, doi 10.1016/j.advengsoft.2022.103282).

    Trials that fail, or whose value is infinite, count as evaluations and rank last; pruned trials rank behind all
    complete ones, by the last value they reported. Trials that never finish hold up nobody. After the last iteration
    the sampler goes on with the schedule's end. ``best_update="gazelle"`` means the best known when a trial begins.

    Search space: as with Optuna's own relative samplers, the parameters that all complete trials have in common, with
    the same distribution; all others, and all before the first trial is complete, are drawn independently. Trials of
    a study that searched something else before thus count with the parameters they share, and where they share none,
    all is drawn independently. With ``search_space`` given, a study made with another one is an error instead.

    Args:
        settings: herd, iterations and variant of the optimizer; N + 4NT trials are a whole search.
        seed: the same seed gives the same sequence of trials to a single worker, in any process. Workers on one
            storage may share it.
        search_space: the parameters that every trial suggests, where known beforehand: the search then begins with
            the first trial.
        independent_sampler: draws what is not in the search space; by default uniformly.
        warn_independent_sampling: log a warning the first time that this happens to a parameter.

    Raises:
        ConfigError: the seed, the settings or the search space is of another kind, or the seed negative.

    Example:
        >>> import optuna
        >>> optuna.logging.set_verbosity(optuna.logging.WARNING)
        >>> sampler = GazelleSampler(GazelleSettings(population=5, iterations=10), seed=0)
        >>> study = optuna.create_study(sampler=sampler)
        >>> study.optimize(lambda trial: (trial.suggest_float("x", -1, 2) - 1) ** 2, n_trials=205)
        >>> study.best_value < 1e-3
        True
    """

    def __init__(
        self,
        settings: GazelleSettings | None = None,
        *,
        seed: int | None = None,
        search_space: Mapping[str, BaseDistribution] | None = None,
        independent_sampler: BaseSampler | None = None,
        warn_independent_sampling: bool = True,
    ) -> None:
        self._settings = checked_settings(settings, "GazelleSampler")
        given = checked_seed(seed, "GazelleSampler")
        self._seed = int(np.random.default_rng().integers(2**63)) if given is None else given
        self._declared = None if search_space is None else _checked_space(search_space)
        self._independent_sampler = independent_sampler
        self._warn_independent_sampling = warn_independent_sampling
        self._warned: set[str] = set()
        self._common_space = IntersectionSearchSpace()
        self._seen = _Seen({})  # these two only save time; all they hold is in the study too
        self._selected: _Selected | None = None

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> Space:
        """The declared space, or what all complete trials have in common; parameters of one value left out."""
        space = self._common_space.calculate(study) if self._declared is None else self._declared
        return {name: distribution for name, distribution in space.items() if not distribution.single()}

    def sample_relative(self, study: Study, trial: FrozenTrial, search_space: Space) -> dict[str, Any]:
        """The trial's candidate: a value for each parameter of the space.

        Raises:
            InputError: the study has several objectives, or a complete trial that lacks the declared space.
        """
        _check_single_objective(study)
        if not search_space:
            return {}
        point = self._candidate(trial.number, len(search_space), self._evaluations(study, search_space))
        shares = (point + HALF_WIDTH) / (2 * HALF_WIDTH)  # [-10, 10] -> [0, 1]
        return {
            name: value_at(share, distribution)
            for share, (name, distribution) in zip(shares.tolist(), search_space.items(), strict=True)
        }

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """A value of a parameter that is not in the search space.

        Raises:
            InputError: the study has several objectives.
        """
        _check_single_objective(study)
        self._warn(study, trial, param_name)
        if self._independent_sampler is not None:
            return self._independent_sampler.sample_independent(study, trial, param_name, param_distribution)
        generator = self._generator(_INDEPENDENT, trial.number, zlib.crc32(param_name.encode()))
        return value_at(generator.random(), param_distribution)

    def reseed_rng(self) -> None:
        """Reseed the independent sampler; the candidates of two trials never come from the same random numbers."""
        if self._independent_sampler is not None:
            self._independent_sampler.reseed_rng()

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Pass on to the independent sampler."""
        if self._independent_sampler is not None:
            self._independent_sampler.before_trial(study, trial)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        """Pass on to the independent sampler."""
        if self._independent_sampler is not None:
            self._independent_sampler.after_trial(study, trial, state, values)

    def _candidate(self, number: int, n_dims: int, evaluations: Sequence[Evaluation]) -> Reals:
        box = Box(np.full(n_dims, -HALF_WIDTH), np.full(n_dims, HALF_WIDTH))
        n_herd, n_iterations = self._settings.population, self._settings.iterations
        n_offspring = n_herd * len(OPERATORS)
        if len(evaluations) < n_herd:
            return starting_herd(box, 1, self._generator(_RELATIVE, 0, number)).ravel()
        past = (len(evaluations) - n_herd) // n_offspring  # iterations completed
        herd = self._herd(evaluations, n_herd + n_offspring * past)
        male = herd[0] if self._settings.best_update == "iteration" else _best(evaluations, 1)[0]
        turn, of_four = divmod(number, len(OPERATORS))
        rows, progress = slice(turn % n_herd, turn % n_herd + 1), min(past + 1, n_iterations) / n_iterations
        generator = self._generator(_RELATIVE, past + 1, turn)
        candidate: Reals = offspring(herd, male, box, self._settings, progress, generator, rows)[of_four]
        return candidate

    def _evaluations(self, study: Study, space: Space) -> tuple[Evaluation, ...]:
        """Finished trials that hold the parameters of the space, in the order of their numbers."""
        trials = study.get_trials(deepcopy=False)
        seen = self._seen if self._seen.holds(space, trials) else _Seen(dict(space))
        unread = (*seen.open, *range(seen.n_read, len(trials)))
        finished = [place for place in unread if trials[place].state.is_finished()]
        if not finished:
            return seen.evaluations
        evaluations = list(seen.evaluations)
        for trial in (trials[place] for place in finished):
            if self._declared is not None and trial.state == TrialState.COMPLETE:
                _check_declared(self._declared, trial)
            if all(trial.distributions.get(name) == distribution for name, distribution in space.items()):
                bisect.insort(evaluations, _evaluation(trial, space, study.direction), key=lambda one: one.number)
        n_read = max(seen.n_read, finished[-1] + 1)
        still_open = tuple(sorted({place for place in unread if place < n_read}.difference(finished)))
        # Replaced, never changed: threads may share it.
        self._seen = _Seen(seen.space, trials[n_read - 1], n_read, still_open, tuple(evaluations))
        return self._seen.evaluations

    def _herd(self, evaluations: Sequence[Evaluation], count: int) -> Reals:
        """The best N of the first evaluations, best first: (N, D)."""
        last, selected = evaluations[count - 1], self._selected
        if selected is None or selected.last is not last or selected.count != count:
            selected = _Selected(last, count, _best(evaluations[:count], self._settings.population))
            self._selected = selected
        return selected.herd

    def _generator(self, *key: int) -> np.random.Generator:
        return np.random.default_rng([self._seed, *key])

    def _warn(self, study: Study, trial: FrozenTrial, name: str) -> None:
        if not self._warn_independent_sampling or name in self._warned:
            return
        if self._declared is not None or study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
            self._warned.add(name)
            _LOG.warning(_DRAWN_INDEPENDENTLY, trial.number, name)


def _evaluation(trial: FrozenTrial, space: Space, direction: StudyDirection) -> Evaluation:
    shares = (share_of(trial.params[name], distribution) for name, distribution in space.items())
    point = tuple((2 * share - 1) * HALF_WIDTH for share in shares)
    group, value = _measured(trial)
    if not math.isfinite(value):
        return Evaluation(trial.number, (_UNUSABLE, 0.0), point)
    return Evaluation(trial.number, (group, value if direction == StudyDirection.MINIMIZE else -value), point)


def _measured(trial: FrozenTrial) -> tuple[int, float]:
    """The group that a trial ranks in, and its value; NaN where it has none."""
    if trial.state == TrialState.COMPLETE and trial.value is not None:
        return _COMPLETE, trial.value
    if trial.state == TrialState.PRUNED and trial.intermediate_values:
        return _PRUNED, trial.intermediate_values[max(trial.intermediate_values)]
    return _UNUSABLE, math.nan


def _best(evaluations: Iterable[Evaluation], count: int) -> Reals:
    """Points of the best, best first; of equal ones the earlier: (count, D)."""
    return np.array([one.point for one in heapq.nsmallest(count, evaluations, key=lambda one: one.rank)])


def _check_single_objective(study: Study) -> None:
    if len(study.directions) > 1:
        raise InputError(
            f"GazelleSampler: the study has {len(study.directions)} objectives, expected one; "
            "use a multi-objective sampler such as NSGAIISampler"
        )


def _checked_space(space: object) -> Space:
    """A declared search space, by name."""
    named = space if isinstance(space, Mapping) else {}
    fits = all(isinstance(name, str) and isinstance(one, BaseDistribution) for name, one in named.items())
    if not isinstance(space, Mapping) or not fits:
        raise ConfigError(
            f"search_space of GazelleSampler: got {space!r}, expected names and distributions of Optuna, "
            "such as {'x': FloatDistribution(0, 1)}"
        )
    return dict(sorted(named.items()))


def _check_declared(space: Space, trial: FrozenTrial) -> None:
    other = [
        f"{name} {trial.distributions.get(name)}, expected {distribution}"
        for name, distribution in space.items()
        if trial.distributions.get(name) != distribution
    ]
    if other:
        raise InputError(
            f"the study was made with another search space: trial {trial.number} has {'; '.join(other)}. "
            "Start a new study, or declare only what every trial suggests"
        )


# ---------------------------------------------------------------- parameters as shares of their range


def value_at(share: float, distribution: BaseDistribution) -> Any:
    """The value that lies at ``share`` in [0, 1] of a parameter's range."""
    low, high = _ends(distribution)
    at = low * (1 - share) + high * share
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices[min(max(round(at), 0), len(distribution.choices) - 1)]
    numbers = _numbers(distribution)
    at = 10**at if numbers.log else at
    if numbers.step is not None:
        at = numbers.low + round((at - numbers.low) / numbers.step) * numbers.step
    return type(numbers.low)(min(max(at, numbers.low), numbers.high))


def share_of(value: Any, distribution: BaseDistribution) -> float:
    """Where in a parameter's range a value lies, in [0, 1]; undoes ``value_at``."""
    low, high = _ends(distribution)
    at = distribution.to_internal_repr(value)  # of a category: its index
    if not isinstance(distribution, CategoricalDistribution) and _numbers(distribution).log:
        at = math.log10(at)
    span = high / 2 - low / 2  # halves: a range may exceed the largest float
    if span == 0:  # or be too small to be halved
        return float(at > low)
    return min(max((at / 2 - low / 2) / span, 0.0), 1.0)


def _ends(distribution: BaseDistribution) -> tuple[float, float]:
    """Where a parameter's axis begins and ends: log10 if logarithmic, half a step further out if stepped."""
    if isinstance(distribution, CategoricalDistribution):
        return -0.5, len(distribution.choices) - 0.5
    numbers = _numbers(distribution)
    spare = (numbers.step or 0) / 2
    low, high = numbers.low - spare, numbers.high + spare
    return (math.log10(low), math.log10(high)) if numbers.log else (low, high)


def _numbers(distribution: BaseDistribution) -> FloatDistribution | IntDistribution:
    if not isinstance(distribution, FloatDistribution | IntDistribution):
        raise InputError(f"GazelleSampler: got {distribution}, expected a float, int or categorical distribution")
    return distribution
