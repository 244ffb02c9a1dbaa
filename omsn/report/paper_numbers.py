"""Published numbers that a report prints beside its own, as their sources print them.

Tables 1 and 2 and the reference numbers are those of Patil, Virupakshappa & Vijaya, "Optimized multi-layer
self-attention network for feature-level data fusion in emotion recognition", RAVDESS, random 80/20 split.
They are strings because they are as printed, digit for digit; "-" is the paper's for a number that was not published.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

PAPER_CORPUS = "ravdess"
"""As OMSN calls the corpus of all these numbers; its labels are ``RAVDESS_EMOTIONS``."""
PAPER_METHOD = "OMSN-DER (proposed)"
PAPER_CLIPS = 300
PAPER_MISTAKES = 11
PAPER_CLASSES = 8
"""11 mistakes in 300 clips of 8 classes give every number that the paper prints of its own method."""

PAPER_WAR = 1 - PAPER_MISTAKES / PAPER_CLIPS
"""Accuracy over the 8 classes: 289/300."""
PAPER_ONE_VS_REST_ACCURACY = 1 - 2 * PAPER_MISTAKES / (PAPER_CLASSES * PAPER_CLIPS)
"""Mean of the eight one-vs-rest accuracies: the 0.9908 that the paper prints as its accuracy."""


@dataclass(frozen=True)
class Table1Row:
    """One method of the paper's table 1."""

    method: str
    precision: str
    f1: str
    accuracy: str
    recall: str
    specificity: str


TABLE_1 = (
    Table1Row("SER and FER [13]", "0.9399", "-", "0.9805", "0.7237", "-"),
    Table1Row("Optimal multimodal emotion recognition [14]", "0.86", "0.86", "0.86", "0.86", "0.98"),
    Table1Row("Bidirectional parallel ESN [15]", "0.8656", "0.8519", "0.7539", "0.8854", "-"),
    Table1Row("MFA [16]", "0.97", "0.97", "0.9507", "0.98", "-"),
    Table1Row("MCCA [17]", "0.9098", "0.9014", "0.9525", "0.9061", "-"),
    Table1Row("Self-supervised learning algorithm [28]", "0.8950", "0.8168", "0.876", "0.8550", "-"),
    Table1Row("3DCNN-LSTM [29]", "-", "0.9609", "0.90", "-", "99.45"),
    Table1Row(PAPER_METHOD, "0.9633", "0.9633", "0.9908", "0.9633", "0.9947"),
)
"""The paper's table 1. The specificity of 99.45 is as printed there."""


def _table_2_row(*values: str) -> Mapping[str, str]:
    """Values in the paper's order of classes, by OMSN's label names."""
    order = ("happy", "fearful", "calm", "angry", "sad", "disgust", "neutral", "surprised")
    return dict(zip(order, values, strict=True))


TABLE_2: Mapping[str, Mapping[str, str]] = {
    "Bidirectional parallel ESN [11]": _table_2_row("0.73", "0.82", "0.89", "0.84", "0.58", "0.89", "0.57", "0.72"),
    "MFA [12]": _table_2_row("0.97", "0.98", "-", "0.96", "0.99", "0.99", "0.96", "-"),
    "Self-supervised learning algorithm [13]": _table_2_row(
        "0.79", "0.806", "0.816", "0.830", "0.782", "0.851", "0.773", "0.883"
    ),
    "Multi-head self-attention mechanism [14]": _table_2_row("0.87", "0.85", "-", "0.97", "0.98", "0.97", "-", "0.95"),
    "Deep ESN model [16]": _table_2_row("0.75", "0.97", "0.91", "0.95", "0.87", "0.89", "0.94", "-"),
    PAPER_METHOD: _table_2_row("0.993", "0.996", "0.99", "0.99", "0.983", "0.996", "0.99", "0.986"),
}
"""The paper's table 2: "accuracy" of each class, by method."""


@dataclass(frozen=True)
class ProtocolRow:
    """A protocol of the field and what has been published on it (RAVDESS speech, 8 emotions)."""

    name: str
    what: str
    published: str


PROTOCOLS = (
    ProtocolRow(
        "random-80-20",
        "stratified random split; every speaker stands on both sides",
        f"the paper: WAR {PAPER_WAR:.2%}, printed as {PAPER_ONE_VS_REST_ACCURACY:.2%}",
    ),
    ProtocolRow(
        "actors-4",
        "groups of four actors: 1-4, 5-8, ...",
        "HiCMAE: WAR 87.99%, UAR 87.96% (pre-trained on VoxCeleb2); MSAF: 74.86%",
    ),
    ProtocolRow(
        "actors-luna",
        "{2,5,14,15,16} {3,6,7,13,18} {10,11,12,19,20} {8,17,21,23,24} {1,4,9,22}",
        "Luna-Jiménez et al. 2021: 86.70%",
    ),
    ProtocolRow(
        "actors-emobox",
        "{1,11,20,21} {4,10,12,14} {8,9,19,23} {3,5,7,24} {2,15,16,18} {6,13,17,22}",
        "EmoBox (sound only)",
    ),
    ProtocolRow("loso", "leave one speaker out", "many, with differing details"),
    ProtocolRow("statement", "unseen sentence, known speakers", "none: OMSN's own"),
    ProtocolRow("speaker+statement", "unseen sentence of an unseen speaker", "none: OMSN's own"),
)
"""The protocols in use, by the name that ``omsn crossval --protocol`` knows them by."""
