"""Predictions as an ELAN annotation file (.eaf, EAF 3.0).

Source: schema http://www.mpi.nl/tools/elan/EAFv3.0.xsd and H. Sloetjes, "EAF Annotation Format 3.0 and ELAN"
(The Language Archive, MPI for Psycholinguistics). Each face has two tiers: its emotions, from a controlled vocabulary
of the labels, and as a child tier the probability of each. Where there are several faces, a second child tier marks
the segments in which each is the one that speaks.
"""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree as ET

from omsn.files import replace_file
from omsn.labels import LabelSet
from omsn.media.find import AUDIO_SUFFIXES, VIDEO_SUFFIXES
from omsn.segments import Segment
from omsn.types import Prediction
from omsn.version import __version__

SCHEMA_URL = "http://www.mpi.nl/tools/elan/EAFv3.0.xsd"
SCHEMA_LOCATION = "{http://www.w3.org/2001/XMLSchema-instance}noNamespaceSchemaLocation"
NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 cannot hold, not even escaped."""

MIME_BY_SUFFIX = (
    dict.fromkeys(VIDEO_SUFFIXES, "video/*")
    | dict.fromkeys(AUDIO_SUFFIXES, "audio/*")
    | {".mp4": "video/mp4", ".m4v": "video/mp4", ".mov": "video/quicktime", ".mpg": "video/mpeg", ".mpeg": "video/mpeg"}
    | {".wav": "audio/x-wav"}
)
"""The media types that ELAN itself writes, its general ones for suffixes that it does not list."""


def write_eaf(prediction: Prediction, path: Path) -> None:
    """Write one file's prediction for ELAN; the file appears whole or not at all.

    Raises:
        OSError: the disk is full or the folder cannot be written to.
    """
    document = _document(prediction, path.parent)
    ET.indent(document, "    ")
    replace_file(path, ET.tostring(document, encoding="UTF-8", xml_declaration=True) + b"\n")


def _document(prediction: Prediction, folder: Path) -> ET.Element:
    """The whole document; the schema fixes the order of its parts."""
    found = prediction.segments()
    document = ET.Element(
        "ANNOTATION_DOCUMENT",
        {
            "AUTHOR": f"omsn {__version__}",
            "DATE": datetime.now(UTC).isoformat(timespec="seconds"),
            "FORMAT": "3.0",
            "VERSION": "3.0",
            SCHEMA_LOCATION: SCHEMA_URL,
        },
    )
    tracks = sorted({segment.track for segment in found})
    child_types = ("probability", "speaking") if len(tracks) > 1 else ("probability",)
    _add_header(document, prediction.source, folder, last_annotation=(1 + len(child_types)) * len(found))
    slots = _add_time_order(document, found)
    for track in tracks:
        _add_emotions(document, track, found, slots, prediction.labels)
        for place, kind in enumerate(child_types, start=1):
            _add_child(document, kind, track, found, first_id=place * len(found) + 1)
    _add_types(document, child_types)
    _add_vocabulary(document, prediction.labels)
    return document


def _add_header(document: ET.Element, source: str, folder: Path, last_annotation: int) -> None:
    header = ET.SubElement(document, "HEADER", MEDIA_FILE="", TIME_UNITS="milliseconds")
    relative = Path(os.path.relpath(source, folder)).as_posix()
    ET.SubElement(
        header,
        "MEDIA_DESCRIPTOR",
        MEDIA_URL=_legal(_media_url(Path(source).absolute())),
        MIME_TYPE=MIME_BY_SUFFIX.get(Path(source).suffix.lower(), "unknown"),
        RELATIVE_MEDIA_URL=_legal(relative if relative.startswith("../") else f"./{relative}"),
    )
    ET.SubElement(header, "PROPERTY", NAME="lastUsedAnnotationId").text = str(last_annotation)


def _media_url(path: Path) -> str:
    """The path after ``file:///``, spaces and all: ELAN neither writes nor reads percent signs as escapes."""
    return f"file:///{path.as_posix().lstrip('/')}"


def _add_time_order(document: ET.Element, found: tuple[Segment, ...]) -> list[tuple[str, str]]:
    """Add a time slot for every start and end, in order of time, and give each segment's pair of names."""
    # Where one segment ends and the next starts at the same time, the end comes first.
    edges = [(segment.end_ms, 0, number) for number, segment in enumerate(found)]
    edges += [(segment.start_ms, 1, number) for number, segment in enumerate(found)]
    order = ET.SubElement(document, "TIME_ORDER")
    names: dict[tuple[int, int], str] = {}
    for slot, (time_ms, is_start, number) in enumerate(sorted(edges), start=1):
        names[number, is_start] = f"ts{slot}"
        ET.SubElement(order, "TIME_SLOT", TIME_SLOT_ID=f"ts{slot}", TIME_VALUE=str(time_ms))
    return [(names[number, 1], names[number, 0]) for number in range(len(found))]


def _add_tier(document: ET.Element, kind: str, track: int, parent: str | None = None) -> ET.Element:
    attributes = {"TIER_ID": f"{kind} face {track}", "LINGUISTIC_TYPE_REF": kind}
    attributes |= {"PARENT_REF": f"{parent} face {track}"} if parent else {}
    return ET.SubElement(document, "TIER", attributes, PARTICIPANT=f"face {track}", ANNOTATOR="omsn")


def _add_emotions(
    document: ET.Element, track: int, found: tuple[Segment, ...], slots: list[tuple[str, str]], labels: LabelSet
) -> None:
    tier = _add_tier(document, "emotion", track)
    for number, (segment, (start, end)) in enumerate(zip(found, slots, strict=True), start=1):
        if segment.track == track:
            place = {"ANNOTATION_ID": f"a{number}", "TIME_SLOT_REF1": start, "TIME_SLOT_REF2": end}
            entry = {"CVE_REF": _entry_id(labels.index(segment.emotion))}
            _add_annotation(tier, "ALIGNABLE_ANNOTATION", place | entry, _legal(segment.emotion))


def _add_child(document: ET.Element, kind: str, track: int, found: tuple[Segment, ...], first_id: int) -> None:
    """A tier whose annotations belong to those of the emotions; none where there is nothing to say."""
    tier = _add_tier(document, kind, track, parent="emotion")
    for number, segment in enumerate(found):
        value = f"{segment.probability:.3f}" if kind == "probability" else "speaks" if segment.speaking else ""
        if segment.track == track and value:
            place = {"ANNOTATION_ID": f"a{first_id + number}", "ANNOTATION_REF": f"a{number + 1}"}
            _add_annotation(tier, "REF_ANNOTATION", place, value)


def _add_annotation(tier: ET.Element, kind: str, place: dict[str, str], value: str) -> None:
    annotation = ET.SubElement(ET.SubElement(tier, "ANNOTATION"), kind, place)
    ET.SubElement(annotation, "ANNOTATION_VALUE").text = value


def _add_types(document: ET.Element, child_types: tuple[str, ...]) -> None:
    emotion = {"LINGUISTIC_TYPE_ID": "emotion", "TIME_ALIGNABLE": "true", "CONTROLLED_VOCABULARY_REF": "emotions"}
    child = {"TIME_ALIGNABLE": "false", "CONSTRAINTS": "Symbolic_Association"}
    for kind in (emotion, *({"LINGUISTIC_TYPE_ID": name} | child for name in child_types)):
        ET.SubElement(document, "LINGUISTIC_TYPE", kind, GRAPHIC_REFERENCES="false")
    ET.SubElement(document, "LANGUAGE", LANG_ID="und", LANG_LABEL="undetermined (und)")
    description = "1-1 association with a parent annotation"
    ET.SubElement(document, "CONSTRAINT", STEREOTYPE="Symbolic_Association", DESCRIPTION=description)


def _add_vocabulary(document: ET.Element, labels: LabelSet) -> None:
    vocabulary = ET.SubElement(document, "CONTROLLED_VOCABULARY", CV_ID="emotions")
    ET.SubElement(vocabulary, "DESCRIPTION", LANG_REF="und").text = "the labels that the model was trained on"
    for number, name in enumerate(labels.names):
        entry = ET.SubElement(vocabulary, "CV_ENTRY_ML", CVE_ID=_entry_id(number))
        ET.SubElement(entry, "CVE_VALUE", LANG_REF="und", DESCRIPTION="").text = _legal(name)


def _entry_id(label: int) -> str:
    return f"cveid{label}"


def _legal(text: str) -> str:
    """The text with a replacement character for whatever XML cannot hold, such as bytes that are no UTF-8."""
    return NOT_XML.sub("\ufffd", text)
