"""The .eaf files against ELAN's published schema, which ``scripts/fetch_elan_schema.py`` puts here."""

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
from xmlschema import XMLSchema

from omsn.export.elan import write_eaf
from omsn.labels import RAVDESS_EMOTIONS, LabelSet
from omsn.types import Prediction, Window

LABELS = LabelSet(("calm", "happy"))

SCHEMA = XMLSchema(Path(__file__).with_name("EAFv3.0.xsd"))


def check_schema(document: ET.Element) -> None:
    """The published schema, and what it cannot say: that every label is in the vocabulary."""
    assert [str(error.reason) for error in SCHEMA.iter_errors(document)] == []
    entries = {entry.attrib["CVE_ID"] for entry in document.iter("CV_ENTRY_ML")}
    assert {element.attrib["CVE_REF"] for element in document.iter("ALIGNABLE_ANNOTATION")} <= entries


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


def test_the_schema_refuses_what_is_not_its_own(tmp_path: Path) -> None:
    document = written(Prediction("a.mp4", LABELS, (Window(0.0, 1.0, (0.2, 0.8), ()),)), tmp_path / "a.eaf")
    document.findall("TIER")[1].set("PARENT_REF", "nobody")
    with pytest.raises(AssertionError, match="nobody"):
        check_schema(document)


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
