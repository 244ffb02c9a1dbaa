"""The .eaf files against a table of ELAN's published schema.

The schema itself (http://www.mpi.nl/tools/elan/EAFv3.0.xsd) names no licence and is not kept here. ``CHILDREN`` and
``ATTRIBUTES`` say of the elements that are written what the schema says of them: the order of children, and the
attributes with their types, a star after those that are required.
"""

from __future__ import annotations

import re
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pympi import Eaf

from omsn.export.elan import SCHEMA_LOCATION, write_eaf
from omsn.labels import RAVDESS_EMOTIONS, LabelSet
from omsn.types import Prediction, Window

LABELS = LabelSet(("calm", "happy"))

CHILDREN = {
    "ANNOTATION_DOCUMENT": r"(LICENSE )*HEADER TIME_ORDER (TIER )*(LINGUISTIC_TYPE )*(LOCALE )*(LANGUAGE )*"
    r"(CONSTRAINT )*(CONTROLLED_VOCABULARY )*(LEXICON_REF )*(REF_LINK_SET )*(EXTERNAL_REF )*",
    "HEADER": r"(MEDIA_DESCRIPTOR )*(LINKED_FILE_DESCRIPTOR )*(PROPERTY )*",
    "TIME_ORDER": r"(TIME_SLOT )*",
    "TIER": r"(ANNOTATION )*",
    "ANNOTATION": r"ALIGNABLE_ANNOTATION |REF_ANNOTATION ",
    "ALIGNABLE_ANNOTATION": r"ANNOTATION_VALUE ",
    "REF_ANNOTATION": r"ANNOTATION_VALUE ",
    "CONTROLLED_VOCABULARY": r"(DESCRIPTION )*(CV_ENTRY_ML )*",
    "CV_ENTRY_ML": r"(CVE_VALUE )+",
}
ANNOTATION_ATTRIBUTES = "ANNOTATION_ID:id* EXT_REF:idref LANG_REF:idref CVE_REF:string"
ATTRIBUTES = {
    "ANNOTATION_DOCUMENT": f"DATE:date* AUTHOR:string* VERSION:string* FORMAT:string {SCHEMA_LOCATION}:string",
    "HEADER": "MEDIA_FILE:string TIME_UNITS:string",
    "MEDIA_DESCRIPTOR": "MEDIA_URL:string* RELATIVE_MEDIA_URL:string MIME_TYPE:string* TIME_ORIGIN:number",
    "PROPERTY": "NAME:string",
    "TIME_SLOT": "TIME_SLOT_ID:id* TIME_VALUE:number",
    "TIER": "TIER_ID:string* PARTICIPANT:string ANNOTATOR:string LINGUISTIC_TYPE_REF:string* PARENT_REF:string",
    "ALIGNABLE_ANNOTATION": ANNOTATION_ATTRIBUTES + " TIME_SLOT_REF1:idref* TIME_SLOT_REF2:idref*",
    "REF_ANNOTATION": ANNOTATION_ATTRIBUTES + " ANNOTATION_REF:idref* PREVIOUS_ANNOTATION:idref",
    "LINGUISTIC_TYPE": "LINGUISTIC_TYPE_ID:string* TIME_ALIGNABLE:boolean CONSTRAINTS:idref GRAPHIC_REFERENCES:boolean "
    "CONTROLLED_VOCABULARY_REF:string",
    "LANGUAGE": "LANG_ID:id* LANG_DEF:string LANG_LABEL:string",
    "CONSTRAINT": "STEREOTYPE:id* DESCRIPTION:string",
    "CONTROLLED_VOCABULARY": "CV_ID:string*",
    "DESCRIPTION": "LANG_REF:idref*",
    "CV_ENTRY_ML": "CVE_ID:string*",
    "CVE_VALUE": "LANG_REF:idref* DESCRIPTION:string",
}
TYPES = {"string": r"(?s:.*)", "id": r"[A-Za-z_][\w.-]*", "idref": r"[A-Za-z_][\w.-]*", "number": r"\d{1,9}",
         "boolean": "true|false", "date": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00"}  # fmt: skip


def check_schema(document: ET.Element) -> None:
    """Order of elements, attributes, unique names, and that every reference has its target."""
    ids: list[str] = []
    references: list[str] = []
    for element in document.iter():
        tags = "".join(f"{child.tag} " for child in element)
        assert re.fullmatch(CHILDREN.get(element.tag, ""), tags), f"{element.tag} holds {tags}"
        kinds = dict(entry.rsplit(":", 1) for entry in ATTRIBUTES.get(element.tag, "").split())
        assert {name for name, kind in kinds.items() if kind.endswith("*")} <= set(element.attrib) <= set(kinds)
        for name, value in element.attrib.items():
            kind = kinds[name].removesuffix("*")
            assert re.fullmatch(TYPES[kind], value), f"{element.tag} {name}={value}"
            ids += [value] if kind == "id" else []
            references += [value] if kind == "idref" else []
    assert len(ids) == len(set(ids))
    assert set(references) <= set(ids)
    check_keys(document)


def check_keys(document: ET.Element) -> None:
    """The schema's keys: names that must differ, and what refers to them."""
    pairs = [
        ("TIER", "TIER_ID", "TIER", "PARENT_REF"),
        ("LINGUISTIC_TYPE", "LINGUISTIC_TYPE_ID", "TIER", "LINGUISTIC_TYPE_REF"),
        ("CONTROLLED_VOCABULARY", "CV_ID", "LINGUISTIC_TYPE", "CONTROLLED_VOCABULARY_REF"),
        (".//CV_ENTRY_ML", "CVE_ID", ".//ALIGNABLE_ANNOTATION", "CVE_REF"),
    ]
    for target, key, source, reference in pairs:
        names = [element.attrib[key] for element in document.findall(target)]
        assert len(names) == len(set(names))
        used = {element.get(reference) for element in document.findall(source)} - {None}
        assert used <= set(names)


def written(prediction: Prediction, path: Path) -> ET.Element:
    write_eaf(prediction, path)
    return ET.fromstring(path.read_bytes())


def aligned(document: ET.Element, tier: str) -> list[tuple[int, int, str]]:
    """Start and end in milliseconds and value of each annotation of a tier that is aligned to the time line."""
    slots = {slot.get("TIME_SLOT_ID"): int(slot.get("TIME_VALUE", "")) for slot in document.iter("TIME_SLOT")}
    return [
        (slots[each.get("TIME_SLOT_REF1")], slots[each.get("TIME_SLOT_REF2")], each.findtext("ANNOTATION_VALUE", ""))
        for each in document.findall(f"TIER[@TIER_ID='{tier}']/ANNOTATION/ALIGNABLE_ANNOTATION")
    ]


def test_no_windows_give_a_document_without_tiers(tmp_path: Path) -> None:
    document = written(Prediction("a.mp4", RAVDESS_EMOTIONS), tmp_path / "new" / "a.eaf")
    check_schema(document)
    assert document.findall("TIER") == document.findall("TIME_ORDER/TIME_SLOT") == []
    assert [value.text for value in document.iter("CVE_VALUE")] == list(RAVDESS_EMOTIONS.names)


def test_two_faces(tmp_path: Path) -> None:
    windows = (
        Window(0.0, 4.0, (0.13, 0.87), ("audio", "video")),
        Window(1.0, 2.0, (0.5, 0.5), ("video",), 1, True),
        Window(2.0, 6.0, (1.0, 0.0), ("audio",)),
    )
    document = written(Prediction("a.mp4", LABELS, windows), tmp_path / "a.eaf")
    check_schema(document)
    tiers = {tier.get("TIER_ID"): tier for tier in document.findall("TIER")}
    assert list(tiers) == [f"{kind} face {face}" for face in (0, 1) for kind in ("emotion", "probability", "speaking")]
    assert aligned(document, "emotion face 0") == [(0, 2000, "happy"), (2000, 6000, "calm")]
    assert aligned(document, "emotion face 1") == [(1000, 2000, "calm")]
    assert tiers["probability face 0"].get("PARENT_REF") == "emotion face 0"
    emotions = [element.get("ANNOTATION_ID") for element in tiers["emotion face 0"].iter("ALIGNABLE_ANNOTATION")]
    shares = [
        (element.get("ANNOTATION_REF"), element.findtext("ANNOTATION_VALUE"))
        for element in tiers["probability face 0"].iter("REF_ANNOTATION")
    ]
    assert shares == list(zip(emotions, ["0.870", "0.782"], strict=True))
    assert [element.get("ANNOTATION_REF") for element in tiers["speaking face 1"].iter("REF_ANNOTATION")] == ["a2"]
    assert [value.text for value in tiers["speaking face 1"].iter("ANNOTATION_VALUE")] == ["speaks"]
    assert list(tiers["speaking face 0"]) == []
    assert document.findtext("HEADER/PROPERTY[@NAME='lastUsedAnnotationId']") == "9"


def test_another_program_reads_what_was_written(tmp_path: Path) -> None:
    windows = (Window(0.0, 2.0, (0.2, 0.8), ()), Window(2.0, 4.0, (0.9, 0.1), ()), Window(0.5, 1.0, (1.0, 0.0), (), 1))
    write_eaf(Prediction(str(tmp_path / "a.mp4"), LABELS, windows), tmp_path / "a.eaf")
    read = Eaf(str(tmp_path / "a.eaf"))
    assert sorted(read.get_annotation_data_for_tier("emotion face 0")) == [(0, 2000, "happy"), (2000, 4000, "calm")]
    shares = [entry[2] for entry in read.get_ref_annotation_data_for_tier("probability face 1")]
    assert shares == ["1.000"]
    assert list(read.get_controlled_vocabulary_names()) == ["emotions"]
    assert [media["RELATIVE_MEDIA_URL"] for media in read.get_linked_files()] == ["./a.mp4"]


def test_one_face_has_no_tier_that_tells_who_speaks(tmp_path: Path) -> None:
    document = written(Prediction("a.mp4", LABELS, (Window(0.0, 1.0, (0.2, 0.8), ()),)), tmp_path / "a.eaf")
    assert [tier.get("TIER_ID") for tier in document.findall("TIER")] == ["emotion face 0", "probability face 0"]
    assert document.findtext("HEADER/PROPERTY[@NAME='lastUsedAnnotationId']") == "2"


def test_the_annotated_label_is_the_vocabularys(tmp_path: Path) -> None:
    document = written(Prediction("a.mp4", LABELS, (Window(0.0, 1.0, (0.2, 0.8), ()),)), tmp_path / "a.eaf")
    [annotation] = document.iter("ALIGNABLE_ANNOTATION")
    entry = document.find(f".//CV_ENTRY_ML[@CVE_ID='{annotation.get('CVE_REF')}']")
    assert entry is not None
    assert entry.findtext("CVE_VALUE") == annotation.findtext("ANNOTATION_VALUE") == "happy"


@pytest.mark.parametrize("source", ["clip.mp4", "my clip 100%.mp4", "ünï & <cöde>.mp4", "sub/語.mp4", "../up.mp4"])
def test_both_urls_lead_to_the_source_the_way_elan_reads_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    (tmp_path / "here" / "sub").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    Path(source).write_bytes(b"film")
    document = written(Prediction(source, LABELS), tmp_path / "out put" / "a.eaf")
    [media] = document.iter("MEDIA_DESCRIPTOR")
    absolute, relative = media.attrib["MEDIA_URL"], media.attrib["RELATIVE_MEDIA_URL"]
    assert re.match(r"file:///[^/]", absolute)
    assert relative.startswith("../")
    # ELAN takes "file://" off and opens the rest as it stands, without decoding escapes (its FileUtility class).
    assert Path(absolute.removeprefix("file://")).read_bytes() == b"film"
    assert (tmp_path / "out put" / relative).read_bytes() == b"film"


def test_media_beside_the_annotations(tmp_path: Path) -> None:
    document = written(Prediction(str(tmp_path / "a.mp4"), LABELS), tmp_path / "a.eaf")
    [media] = document.iter("MEDIA_DESCRIPTOR")
    assert media.attrib == {
        "MEDIA_URL": f"file://{tmp_path}/a.mp4",
        "MIME_TYPE": "video/mp4",
        "RELATIVE_MEDIA_URL": "./a.mp4",
    }


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a.MP4", "video/mp4"), ("a.mov", "video/quicktime"), ("a.webm", "video/*"), ("a.wav", "audio/x-wav"),
     ("a.opus", "audio/*"), ("a", "unknown"), ("a.xyz", "unknown")],
)  # fmt: skip
def test_media_types_are_those_of_elan(tmp_path: Path, name: str, expected: str) -> None:
    [media] = written(Prediction(name, LABELS), tmp_path / "a.eaf").iter("MEDIA_DESCRIPTOR")
    assert media.get("MIME_TYPE") == expected


def test_the_date_is_now_and_has_a_zone(tmp_path: Path) -> None:
    before = datetime.now().astimezone().replace(microsecond=0)
    told = datetime.fromisoformat(written(Prediction("a.mp4", LABELS), tmp_path / "a.eaf").attrib["DATE"])
    assert before <= told <= datetime.now().astimezone()


@given(
    st.text(st.characters(exclude_characters="\0"), min_size=1),
    st.lists(st.tuples(st.floats(0.0, 5000.0), st.floats(0.0, 20.0), st.integers(0, 2)), max_size=12),
)
def test_documents_are_valid_whatever_the_windows_and_names(
    tmp_path_factory: pytest.TempPathFactory, name: str, spans: list[tuple[float, float, int]]
) -> None:
    windows = tuple(Window(start, start + length, (0.25, 0.75), (), track) for start, length, track in spans)
    prediction = Prediction(name, LabelSet((name, "happy " + name)), windows)
    document = written(prediction, tmp_path_factory.mktemp("eaf") / "a.eaf")
    check_schema(document)
    times = [int(slot.get("TIME_VALUE", "")) for slot in document.iter("TIME_SLOT")]
    assert times == sorted(times)
    for track in {window.track for window in windows}:
        spans_ms = [(start, end) for start, end, _ in aligned(document, f"emotion face {track}")]
        assert spans_ms == [(cue.start_ms, cue.end_ms) for cue in prediction.segments() if cue.track == track]
        assert all(before[1] <= after[0] for before, after in pairwise(spans_ms))
