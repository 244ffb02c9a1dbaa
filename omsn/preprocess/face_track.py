"""Frames -> the landmarks of the faces in them.

Each face is followed by its mesh, as MediaPipe does: the square to look at in the next frame comes from the mesh of
this one. The detector looks only where nobody is followed, where a face was lost, and now and then for newcomers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from omsn.config import Faces
from omsn.media.video import Frame
from omsn.preprocess.faces import FaceDetector
from omsn.preprocess.landmarks import FaceMesher, FaceSquare, square_from_detection, square_from_mesh, to_ibug68
from omsn.preprocess.tracking import boxes_of, main_track, match_boxes, overlaps
from omsn.timing import timed
from omsn.types import N_LANDMARKS, Floats, LandmarkTrack, Seconds

DETECT_EVERY_S = 1.0
"""Time between looks for newcomers, and between searches of tiles where no face is in sight."""

MAX_GAP_S = 3.0
"""A face found within this time near where it was lost is the same face."""

MIN_IOU = 0.3
"""Boxes that overlap by less are different faces."""

DOUBLE_IOU = 0.6
"""Of two followed faces that overlap by more, the later one has slipped onto the other, and ends."""


def track_main_face(frames: Iterable[Frame], config: Faces) -> LandmarkTrack:
    """The landmarks of the face that the frames are about (the longest and largest), masked out where it is missing.

    Raises:
        InputError: the face models are not installed.
    """
    tracks, times_s = track_faces(frames, config)
    return tracks[main_track(tracks)] if tracks else _track({}, times_s)


def track_faces(frames: Iterable[Frame], config: Faces) -> tuple[list[LandmarkTrack], Seconds]:
    """The landmarks of every face, each over all frames, in order of appearance; and the times of the frames.

    Raises:
        InputError: the face models are not installed.
    """
    follower = FaceFollower(config)
    seen, times_s = [], []
    for frame in frames:
        seen.append(follower.step(frame))
        times_s.append(frame.time_s)
    times = np.array(times_s, np.float64)
    return [track for _, track in tracks_of(seen, times)], times


def tracks_of(seen: Sequence[Mapping[int, Floats]], times_s: Seconds) -> list[tuple[int, LandmarkTrack]]:
    """Number and landmarks of each face over some frames, by number.

    Args:
        seen: for each frame the points (68, 2) of the faces in it, by the face's number.
        times_s: (T,) of the frames.
    """
    numbers = sorted({number for faces in seen for number in faces})
    by_face = (
        (number, {place: faces[number] for place, faces in enumerate(seen) if number in faces}) for number in numbers
    )
    return [(number, _track(points, times_s)) for number, points in by_face]


def _track(points: dict[int, Floats], times_s: Seconds) -> LandmarkTrack:
    """A track over all frames out of the points (68, 2) of some of them."""
    track = np.zeros((len(times_s), N_LANDMARKS, 2), np.float32)
    mask = np.zeros(len(times_s), np.bool_)
    for position, face in points.items():
        track[position], mask[position] = face, True
    return LandmarkTrack(track, mask, times_s)


@dataclass(eq=False)
class FollowedFace:
    """One face so far.

    Attributes:
        number: 0 for the first; no other face ever gets it.
        square: where to look for it next.
        box: (4,) around it when it was last seen.
        seen_s: when it was last seen.
        points: its iBUG-68 points (68, 2) then.
    """

    number: int
    square: FaceSquare
    box: Floats
    seen_s: float
    points: Floats


class FaceFollower:
    """Follows all faces through frames that are handed to it in order; remembers none that cannot come back."""

    def __init__(self, config: Faces) -> None:
        """Load the networks.

        Raises:
            InputError: the face models are not installed.
        """
        self._faces: list[FollowedFace] = []  # in sight, or lost not long ago
        self._n_faces = 0
        self._detector = FaceDetector(config)
        self._mesher = FaceMesher(config)
        self._min_presence = config.min_presence
        self._in_sight: list[FollowedFace] = []
        self._next_look_s = self._next_tiles_s = -np.inf

    def step(self, frame: Frame) -> dict[int, Floats]:
        """Find the faces followed so far, and others where it is time to look for them.

        Returns:
            The iBUG-68 points (68, 2) of each face in the frame, by the face's number.
        """
        expected, self._in_sight = self._in_sight, []
        for face in expected:
            self._see(face, frame, face.square)
        if not self._in_sight or len(self._in_sight) < len(expected) or frame.time_s >= self._next_look_s:
            self._look_for_others(frame)
        return {face.number: face.points for face in self._in_sight}

    def _see(self, face: FollowedFace, frame: Frame, square: FaceSquare) -> bool:
        """Note a face where the mesh finds one in the square, unless one seen before it in this frame is there."""
        with timed("landmarks"):
            mesh = self._mesher.find(frame.image, square)
        box = boxes_of(mesh.points[None])[0]
        taken = [other.box for other in self._in_sight]
        if mesh.presence < self._min_presence or (taken and overlaps(box[None], np.array(taken)).max() > DOUBLE_IOU):
            return False
        face.points = to_ibug68(mesh.points)
        face.square, face.box, face.seen_s = square_from_mesh(mesh.points), box, frame.time_s
        self._in_sight.append(face)
        return True

    def _look_for_others(self, frame: Frame) -> None:
        """Detect faces; those that nobody follows continue a lost face near by, or are new."""
        tiles = not self._in_sight and frame.time_s >= self._next_tiles_s
        with timed("faces"):
            found = self._detector.detect(frame.image, tiles=tiles)
        self._next_look_s = frame.time_s + DETECT_EVERY_S
        self._next_tiles_s = frame.time_s + DETECT_EVERY_S if tiles else self._next_tiles_s
        seen, lost = tuple(self._in_sight), [face for face in self._faces if self._may_return(face, frame.time_s)]
        self._faces = [face for face in self._faces if face in seen or face in lost]
        known = [*seen, *lost]
        pairs = dict(match_boxes(found.xyxy, np.array([face.box for face in known]).reshape(-1, 4), MIN_IOU))
        for position in range(len(found)):
            face = known[pairs[position]] if position in pairs else None
            square = square_from_detection(found.xyxy[position], found.keypoints[position])
            if face is None:
                self._welcome(found.xyxy[position], square, frame)
            elif face not in seen:
                self._see(face, frame, square)
        for face in lost:
            if face not in self._in_sight:
                self._look_again(face, frame)

    def _welcome(self, box: Floats, square: FaceSquare, frame: Frame) -> None:
        """Follow a new face from now on, where the mesh agrees that it is one."""
        newcomer = FollowedFace(self._n_faces, square, box, frame.time_s, np.zeros((N_LANDMARKS, 2), np.float32))
        if self._see(newcomer, frame, square):
            self._faces.append(newcomer)
            self._n_faces += 1

    def _look_again(self, face: FollowedFace, frame: Frame) -> None:
        """Look near where a face was lost, as it may be too small to be found in the whole picture."""
        with timed("faces"):
            near = self._detector.detect_near(frame.image, face.box)
        if len(near):
            self._see(face, frame, square_from_detection(near.xyxy[0], near.keypoints[0]))

    def _may_return(self, face: FollowedFace, time_s: float) -> bool:
        return face not in self._in_sight and time_s - face.seen_s <= MAX_GAP_S
