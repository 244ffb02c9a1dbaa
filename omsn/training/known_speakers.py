"""What ``omsn/models/known_speakers.py`` knows of the speakers in a training part, fitted in closed form."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from omsn.data.padded import PaddedSet
from omsn.data.speakers import Columns, Speakers
from omsn.errors import TrainingError
from omsn.models.known_speakers import KnownSpeakers, SpeakerColumns, described
from omsn.models.network import Network
from omsn.models.pooling import scale_of

COMPONENTS = 300
"""Principal components of the clip statistics, at most, that speakers are told apart by."""


def standardised_by_speaker(network: Network, train: PaddedSet) -> PaddedSet:
    """Let a network know the speakers that it is about to learn from, in place; the part as it is to be learnt from.

    Args:
        network: not trained yet.
        train: standardised by the training part.

    Returns:
        The same clips, each standardised by its own speaker; ``train`` itself where the network knows no speakers.

    Raises:
        TrainingError: speakers of the part are unknown, there is one only, or each has a single clip.
    """
    if network.speakers is None:
        return train
    known = 0 if train.speakers is None else len(train.speakers.own.unique())  # type: ignore[no-untyped-call]
    if train.speakers is None or known < 2:
        raise TrainingError(
            f"network.known_speakers tells speakers apart, but {known} of the {len(train)} clips' speakers are known; "
            "name two speakers at least, or set network.known_speakers=false"
        )
    if len(train) <= known:
        raise TrainingError(
            f"network.known_speakers tells {known} speakers apart by {len(train)} clips; expected more clips than "
            "speakers, or set network.known_speakers=false"
        )
    sizes = network.sizes
    network.speakers = _fitted(KnownSpeakers(sizes.audio_features, sizes.video_features, known), train, train.speakers)
    whole = network.speakers.standardised(train.whole, train.speakers.own)
    return replace(train, whole=whole, speakers=Speakers.of(whole, train.speakers.own.tolist()))


def _fitted(module: KnownSpeakers, train: PaddedSet, speakers: Speakers) -> KnownSpeakers:
    statistics = torch.cat([described(train.batch(rows)) for rows in train.in_turn()])
    mean, scale = statistics.mean(dim=0), scale_of(statistics)  # (S,) each
    values = ((statistics - mean) * scale).double().numpy()
    turn = PCA(min(COMPONENTS, *values.shape), svd_solver="full").fit(values).components_.T  # (S, D)
    apart = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto").fit(values @ turn, speakers.own.numpy())
    weights, bias = apart.coef_, apart.intercept_
    if len(apart.classes_) == 2:  # one score for the second of two
        weights, bias = np.concatenate([-weights, weights]), np.concatenate([-bias, bias])
    discriminant = scale[:, None] * torch.from_numpy(turn @ weights.T).float()
    module.discriminant.copy_(discriminant)
    module.bias.copy_(torch.from_numpy(bias).float() - mean @ discriminant)
    for columns, of in ((module.audio, speakers.audio), (module.video, speakers.video)):
        _keep(columns, of)
    return module.eval()


def _keep(module: SpeakerColumns, columns: Columns) -> None:
    """A speaker without a frame of the modality keeps the training part's own mean and deviation."""
    module.mean.copy_(torch.where(columns.known[:, None], columns.mean, 0))
    module.std.copy_(torch.where(columns.known[:, None], columns.std, 1))
