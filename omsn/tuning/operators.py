"""The equations of the Mountain Gazelle Optimizer, as pure functions on arrays.

Source: Abdollahzadeh, Gharehchopogh, Khodadadi, Mirjalili, Advances in Engineering Software 174:103282 (2022),
doi 10.1016/j.advengsoft.2022.103282. Letters in shapes: N herd, B gazelles that breed, D dimensions; t/T is the
iteration as a share of all. The random numbers (r, N, ri) come in as arguments.
"""

from __future__ import annotations

import reprlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from omsn.errors import InputError

Reals = NDArray[np.float64]

LARGEST_BOUND = 1e100  # sums of a few products of coordinates and normal numbers stay finite


def reals(values: ArrayLike, name: str) -> Reals:
    """A copy of numbers as an array.

    Raises:
        InputError: they are no numbers, or in rows of different lengths.
    """
    try:
        return np.array(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{name}: got {reprlib.repr(values)}, expected numbers, as many in each row") from error


@dataclass(frozen=True, eq=False)
class Box:
    """The search space: low < high in each of D dimensions.

    Raises:
        InputError: no dimension, unequal lengths, or a bound that is no number, NaN, infinite, too large, equal or
            reversed.
    """

    low: Reals
    high: Reals

    @classmethod
    def of(cls, low: ArrayLike, high: ArrayLike) -> Box:
        """From anything that numpy turns into two vectors of numbers."""
        return cls(*(np.atleast_1d(reals(ends, f"{name} bounds")) for name, ends in (("low", low), ("high", high))))

    def __post_init__(self) -> None:
        if self.low.ndim != 1 or self.low.shape != self.high.shape or not len(self.low):
            raise InputError(
                f"bounds: got shapes {self.low.shape} and {self.high.shape}, expected one low and one high a dimension"
            )
        for index, (low, high) in enumerate(zip(self.low.tolist(), self.high.tolist(), strict=True)):
            if not -LARGEST_BOUND <= low < high <= LARGEST_BOUND:
                raise InputError(
                    f"bounds of dimension {index}: got {low} to {high}, expected low < high, "
                    f"both numbers within ±{LARGEST_BOUND:g}"
                )

    def clip(self, points: Reals) -> Reals:
        """Move each coordinate that lies outside to the nearest bound."""
        return np.clip(points, self.low, self.high)


def young_males(outsider: Reals, group_mean: Reals, r1: Reals, r2: Reals) -> Reals:
    """BH = X_ra floor(r1) + M_pr ceil(r2) (equation 2); X_ra of the herd's last two thirds, M_pr the mean of a group.

    Args:
        outsider: (B, D) X_ra.
        group_mean: (B, D) M_pr, mean of ceil(N / 3) gazelles drawn without replacement.
        r1: (B, 1) weight of X_ra.
        r2: (B, 1) weight of M_pr.
    """
    return outsider * np.floor(r1) + group_mean * np.ceil(r2)


def stride(n1: Reals, progress: float) -> Reals:
    """F = N1(D) exp(2 - 2t/T) (equation 3); ``progress`` is t/T: steps shrink from e^2 to 1."""
    return n1 * float(np.exp(2 - 2 * progress))


def coefficient_rows(progress: float, r3: Reals, n2: Reals, r4: Reals, n3: Reals, n4: Reals, r5: Reals) -> Reals:
    """Cof (equations 4 and 5) with a = -1 - t/T, four rows: a + 1 + r3; a N2; r4; N3 N4^2 cos(2 r5 N3).

    Args:
        progress: t/T in (0, 1].
        r3: (B, 1) from U(0, 1).
        n2: (B, D) from N(0, 1), as are n3 and n4.
        r4: (B, D) from U(0, 1).
        n3: stands inside the cosine too.
        n4: enters squared.
        r5: (B, 1) from U(0, 1); the paper calls it r4 too.

    Returns:
        (B, 4, D).
    """
    a = -1 - progress
    rows = (np.broadcast_to(a + 1 + r3, n2.shape), a * n2, r4, n3 * n4**2 * np.cos(2 * r5 * n3))
    return np.stack(rows, axis=1)  # (B, 4, D)


def territorial_solitary_males(
    male: Reals, young: Reals, gazelles: Reals, strides: Reals, cof: Reals, ri1: Reals, ri2: Reals
) -> Reals:
    """TSM = male - |(ri1 BH - ri2 X) F| Cof (equation 1); male (D,) is the best so far, ri (B, 1), the rest (B, D)."""
    return male - np.abs((ri1 * young - ri2 * gazelles) * strides) * cof


def maternity_herds(
    young: Reals, cof_added: Reals, male: Reals, mates: Reals, cof: Reals, ri3: Reals, ri4: Reals
) -> Reals:
    """MH = (BH + Cof) + (ri3 male - ri4 X_rand) Cof (equation 6); X_rand, the mates, are any of the herd: (B, D)."""
    return (young + cof_added) + (ri3 * male - ri4 * mates) * cof


def territory(gazelles: Reals, male: Reals, r6: Reals) -> Reals:
    """D = (|X| + |male|) (2 r6 - 1) (equation 8); r6 (B, 1) from U(0, 1)."""
    return (np.abs(gazelles) + np.abs(male)) * (2 * r6 - 1)


def bachelor_male_herds(
    gazelles: Reals, territories: Reals, male: Reals, young: Reals, cof: Reals, ri5: Reals, ri6: Reals
) -> Reals:
    """BMH = (X - D) + (ri5 male - ri6 BH) Cof (equation 7)."""
    return (gazelles - territories) + (ri5 * male - ri6 * young) * cof


def migration(box: Box, r7: Reals) -> Reals:
    """MSF = (ub - lb) r7 + lb (equation 9); r7 (B, 1) or (B, D) from U(0, 1)."""
    return (box.high - box.low) * r7 + box.low
