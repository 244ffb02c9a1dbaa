"""The last round of a search: its best candidates trained again, in orders of the clips that it has not seen.

All candidates of a search share one order and one dropout, and it learns them by heart: where the loss jumps from one
value to the next, the lowest of thousands is luck. So the best are few, lie apart, each luck being one of them at most,
and are ranked by their mean over fresh seeds. This is selection of the best system in two stages (Kim & Nelson,
"Selecting the best system", Handbooks in OR & MS 13, 2006, chapter 17), without its bound on the error.

Letters in shape comments: n candidates, F finalists, S seeds, D axes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from omsn.errors import InputError
from omsn.files import replace_file
from omsn.tuning.study import Reals, Tried

FINALISTS_FILE = "finalists.json"
FORMAT = 1

OnRound = Callable[[int, int], None]
"""Called with the fresh seeds that are done, from 0, and all of them."""


def spacing(count: int, n_axes: int) -> float:
    """How far finalists lie apart, along one axis at least, where each axis is 1 long.

    Cubes with this side around twice as many points fill the space, so that finalists can cover half of it.
    """
    return float((2 * count) ** (-1 / n_axes))


def well_spread(tried: Tried, count: int) -> NDArray[np.int64]:
    """Good candidates that lie apart: the best, then again and again the best that is not too near to those.

    Args:
        tried: what to choose from.
        count: how many at most, 1 or more; fewer where the candidates crowd.

    Returns:
        (F,) their places in ``tried``, lowest loss first; of equal ones the first tried.

    Raises:
        InputError: no candidate has a finite loss.
    """
    low, high = np.array([axis.bounds for axis in tried.axes]).T
    cube = (tried.points - low) / (high - low)  # (n, D)
    order = np.argsort(tried.losses, kind="stable")
    order = order[np.isfinite(tried.losses[order])]
    chosen = [tried.best]
    while len(chosen) < count:
        distances = np.abs(cube[order] - cube[chosen[-1]]).max(axis=1)
        order = order[distances >= spacing(count, len(tried.axes))]
        if not len(order):
            break
        chosen.append(int(order[0]))
    return np.array(chosen, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Finals:
    """What became of the finalists under fresh seeds.

    Attributes:
        rows: (F,) their places among the candidates of the search.
        seeds: (S,) of the order of the clips and of dropout.
        losses: (S, F) not finite where training diverged.
        usual: (S,) the same of the recipe's own settings.
    """

    rows: NDArray[np.int64]
    seeds: tuple[int, ...]
    losses: Reals
    usual: Reals

    @property
    def means(self) -> Reals:
        """(F,) mean loss over the seeds; infinite where training diverged under one of them."""
        return _means(self.losses)

    @property
    def ranked(self) -> NDArray[np.int64]:
        """(F,) which finalist has the lowest mean, the second lowest, and so on."""
        return np.argsort(self.means, kind="stable")

    @property
    def winner(self) -> int:
        """The place among the candidates of the search of the finalist with the lowest mean.

        Raises:
            InputError: each diverged under one of the seeds.
        """
        if not np.isfinite(self.means).any():
            raise InputError(
                f"each of {len(self.rows)} finalists diverged in one of {len(self.seeds)} orders of the clips; "
                "narrow the search's range, or go on with --resume --finalists 0"
            )
        return int(self.rows[self.ranked[0]])

    def facts(self, tried: Tried) -> dict[str, Any]:
        """For ``search.json``: finalists by their mean, the winner first; None for a loss that is not finite."""
        means = self.means
        return {
            "seeds": list(self.seeds),
            "usual_losses": _known(self.usual),
            "usual_mean_loss": _known(_means(self.usual[:, None]))[0],
            "candidates": [
                {
                    "settings": tried.settings(int(self.rows[index])),
                    "search_loss": float(tried.losses[self.rows[index]]),
                    "losses": _known(self.losses[:, index]),
                    "mean_loss": _known(means[index : index + 1])[0],
                }
                for index in self.ranked.tolist()
            ],
        }


def train_again(
    path: Path,
    of: Mapping[str, Any],
    seeds: Sequence[int],
    evaluate: Callable[[int], Reals],
    on_round: OnRound | None = None,
) -> Reals:
    """Losses under each seed, on disk before the next seed begins; those that are there already are not made again.

    Args:
        path: where they are kept; a file of anything else than ``of`` is replaced.
        of: what the losses are of, as plain values.
        seeds: S, 1 or more.
        evaluate: (F,) losses under a seed.
        on_round: hears of progress.

    Returns:
        (S, F)

    Raises:
        InputError: the file is damaged.
    """
    known = _read(path, of)
    for done, seed in enumerate(seeds):
        if on_round is not None:
            on_round(done, len(seeds))
        if seed not in known:
            known[seed] = evaluate(seed)
            kept = {str(one): _known(losses) for one, losses in known.items()}
            replace_file(path, json.dumps({"format": FORMAT, "of": of, "losses": kept}).encode())
    if on_round is not None:
        on_round(len(seeds), len(seeds))
    return np.stack([known[seed] for seed in seeds])


def _read(path: Path, of: Mapping[str, Any]) -> dict[int, Reals]:
    if not path.exists():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != FORMAT or content["of"] != json.loads(json.dumps(of)):
            return {}
        return {int(seed): np.array(losses, dtype=np.float64) for seed, losses in content["losses"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: damaged ({error}); delete it, and it is made again") from error


def _means(losses: Reals) -> Reals:
    """(S, F) to (F,)."""
    return np.where(np.isfinite(losses).all(axis=0), losses.mean(axis=0), np.inf)


def _known(losses: Reals) -> list[float | None]:
    """For JSON, which has no NaN."""
    return [loss if math.isfinite(loss) else None for loss in losses.tolist()]
