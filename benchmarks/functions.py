"""Twelve standard test functions of optimization, as they stand or shifted and rotated.

Formulas and domains are those of the Virtual Library of Simulation Experiments (Surjanovic & Bingham, Simon Fraser
University). Optimizers that pull towards the origin or the diagonal do well on functions whose optimum lies there;
shifted and rotated, it lies elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Reals = NDArray[np.float64]

MICHALEWICZ_MINIMA = {1: -0.801303410098553, 2: -1.801303410098553, 10: -9.660151715641343, 30: -29.630883850324402}
"""Lowest values, by number of dimensions; each coordinate's own added up, as it depends on no other.

They agree with those of Vanaret et al. 2020 (arXiv 2003.09867), which have fewer digits.
"""
STYBLINSKI_TANG_BEST = -2.903534
SCHWEFEL_BEST = 420.968746
SHIFT_SHARE = 0.6
"""The shifted optimum lies in this middle share of the domain."""


@dataclass(frozen=True)
class Standard:
    """A function of (n, D) points, lowest at ``best`` in each coordinate (NaN: not the same in each, or unknown)."""

    formula: Callable[[Reals], Reals]
    low: float
    high: float
    best: float


def _total(terms: Reals) -> Reals:
    """Sum over the coordinates."""
    summed: Reals = terms.sum(axis=1)
    return summed


def sphere(x: Reals) -> Reals:
    """Sum of squares."""
    return _total(x**2)


def ellipsoid(x: Reals) -> Reals:
    """Squares weighted from 1 to a million."""
    return _total(10.0 ** (6 * np.arange(x.shape[1]) / max(1, x.shape[1] - 1)) * x**2)


def rosenbrock(x: Reals) -> Reals:
    """A bent valley; of one coordinate, its distance from 1."""
    if x.shape[1] == 1:
        return (x[:, 0] - 1) ** 2
    return _total(100 * (x[:, 1:] - x[:, :-1] ** 2) ** 2 + (x[:, :-1] - 1) ** 2)


def rastrigin(x: Reals) -> Reals:
    """A bowl with a regular grid of dents."""
    values: Reals = 10.0 * x.shape[1] + _total(x**2 - 10 * np.cos(2 * np.pi * x))
    return values


def ackley(x: Reals) -> Reals:
    """A plain with ripples and one hole."""
    hole = -20 * np.exp(-0.2 * np.sqrt(np.mean(x**2, axis=1)))
    values: Reals = hole - np.exp(np.mean(np.cos(2 * np.pi * x), axis=1)) + 20 + np.e
    return values


def griewank(x: Reals) -> Reals:
    """A wide bowl with many small dents."""
    waves = np.prod(np.cos(x / np.sqrt(np.arange(1, x.shape[1] + 1))), axis=1)
    values: Reals = _total(x**2) / 4000 - waves + 1
    return values


def schwefel(x: Reals) -> Reals:
    """The lowest points lie far apart, near the border."""
    values: Reals = 418.9828872724339 * x.shape[1] - np.sum(x * np.sin(np.sqrt(np.abs(x))), axis=1)
    return values


def levy(x: Reals) -> Reals:
    """Waves in every coordinate around a valley."""
    w = 1 + (x - 1) / 4
    first, last = np.sin(np.pi * w[:, 0]) ** 2, (w[:, -1] - 1) ** 2 * (1 + np.sin(2 * np.pi * w[:, -1]) ** 2)
    middle = (w[:, :-1] - 1) ** 2 * (1 + 10 * np.sin(np.pi * w[:, :-1] + 1) ** 2)
    values: Reals = first + _total(middle) + last
    return values


def zakharov(x: Reals) -> Reals:
    """A bowl that steepens along one direction."""
    tilt = _total(0.5 * np.arange(1, x.shape[1] + 1) * x)
    return _total(x**2) + tilt**2 + tilt**4


def dixon_price(x: Reals) -> Reals:
    """Each coordinate's valley depends on the one before."""
    weights = np.arange(2, x.shape[1] + 1)
    return (x[:, 0] - 1) ** 2 + _total(weights * (2 * x[:, 1:] ** 2 - x[:, :-1]) ** 2)


def styblinski_tang(x: Reals) -> Reals:
    """Two holes in every coordinate, one deeper."""
    values: Reals = _total(x**4 - 16 * x**2 + 5 * x) / 2 + 39.16616570377142 * x.shape[1]
    return values


def michalewicz(x: Reals) -> Reals:
    """Narrow valleys that hold nearly all that is to be found."""
    order = np.arange(1, x.shape[1] + 1)
    depth = -_total(np.sin(x) * np.sin(order * x**2 / np.pi) ** 20)
    return depth - MICHALEWICZ_MINIMA.get(x.shape[1], -float(x.shape[1]))


STANDARD: Mapping[str, Standard] = {
    "sphere": Standard(sphere, -5.12, 5.12, 0.0),
    "ellipsoid": Standard(ellipsoid, -5.0, 5.0, 0.0),
    "Rosenbrock": Standard(rosenbrock, -5.0, 10.0, 1.0),
    "Rastrigin": Standard(rastrigin, -5.12, 5.12, 0.0),
    "Ackley": Standard(ackley, -32.768, 32.768, 0.0),
    "Griewank": Standard(griewank, -600.0, 600.0, 0.0),
    "Schwefel": Standard(schwefel, -500.0, 500.0, SCHWEFEL_BEST),
    "Levy": Standard(levy, -10.0, 10.0, 1.0),
    "Zakharov": Standard(zakharov, -5.0, 10.0, 0.0),
    "Dixon-Price": Standard(dixon_price, -10.0, 10.0, np.nan),
    "Styblinski-Tang": Standard(styblinski_tang, -5.0, 5.0, STYBLINSKI_TANG_BEST),
    "Michalewicz": Standard(michalewicz, 0.0, float(np.pi), np.nan),
}
"""Every function has its lowest value, 0, inside its domain; of Michalewicz it is the best value known."""


@dataclass(frozen=True, eq=False)
class Problem:
    """A standard function in D dimensions, as it stands or moved.

    Attributes:
        function: which.
        rotation: (D, D) orthogonal.
        centre: (D,) the point of the function's own domain that rotation leaves in place.
        shift: (D,) where that point comes to lie.
    """

    function: Standard
    rotation: Reals
    centre: Reals
    shift: Reals

    @classmethod
    def plain(cls, name: str, n_dimensions: int) -> Problem:
        """The function as it stands."""
        nowhere = np.zeros(n_dimensions)
        return cls(STANDARD[name], np.eye(n_dimensions), nowhere, nowhere)

    @classmethod
    def moved(cls, name: str, n_dimensions: int, seed: int) -> Problem:
        """Turned around its lowest point (around the middle of its domain where that is not known), and shifted."""
        function, generator = STANDARD[name], np.random.default_rng([seed, n_dimensions, *name.encode()])
        middle = (function.low + function.high) / 2
        centre = np.full(n_dimensions, middle if np.isnan(function.best) else function.best)
        rotation, triangle = np.linalg.qr(generator.normal(size=(n_dimensions, n_dimensions)))
        reach = SHIFT_SHARE * (function.high - function.low) / 2
        return cls(
            function,
            rotation * np.sign(np.diag(triangle)),
            centre,
            middle + generator.uniform(-reach, reach, n_dimensions),
        )

    @property
    def bounds(self) -> tuple[list[float], list[float]]:
        """Lower and upper bound of every dimension."""
        n_dimensions = len(self.shift)
        return [self.function.low] * n_dimensions, [self.function.high] * n_dimensions

    def __call__(self, points: Reals) -> Reals:
        """(n, D) to (n,). Outside of the function's own domain: its border's value and the squared distance to it."""
        own = (points - self.shift) @ self.rotation.T + self.centre
        inside = np.clip(own, self.function.low, self.function.high)
        return self.function.formula(inside) + _total((own - inside) ** 2)
