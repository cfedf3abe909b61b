"""Enhanced multi-frame files and mosaics become volumes: each plane in its place, each file stored once."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from hbimg.ingest.candidates import Outcome
from hbimg.ingest.dicom import candidates, examine, read_facts
from hbimg.ingest.dicom.csa import numbers_of
from hbimg.testing.dicom_frames import Frame, write_enhanced, write_mosaics
from hbimg.testing.dicom_series import AXIAL, CORONAL, SAGITTAL, SyntheticSeries, write_series
from hbimg.volumes.decoding import decode_planes

SERIES = SyntheticSeries(planes=5, times=3)


def judged(*paths):
    return candidates([read_facts(path) for path in paths])


def only(*paths):
    (found,) = judged(*paths)
    return found


def planes_of(candidate):
    """The planes of a candidate in running order, decoded from the bytes of the files."""
    frames = [
        file.path.read_bytes()[run.offset + n * run.stride : run.offset + n * run.stride + run.length]
        for file in candidate.files
        for run in file.runs
        for n in range(run.count)
    ]
    planes = decode_planes(frames, candidate.encoding)
    listed = candidate.plane_map.get("planes")
    if not listed:
        return planes
    running = np.empty_like(planes)
    running[listed] = planes
    return running


def assert_planes(candidate, volumes, series=SERIES):
    wanted = [series.pixels(plane, volume) for volume in volumes for plane in range(series.planes)]
    np.testing.assert_array_equal(planes_of(candidate), wanted)


def kind(name):
    return {"MRImageFrameTypeSequence": {"FrameType": ["ORIGINAL", "PRIMARY", "T1", name]}}


def echo(time_ms):
    return {"MREchoSequence": {"EffectiveEchoTime": time_ms}}


def moment(index):
    return {"FrameContentSequence": {"TemporalPositionIndex": index}}


def diffusion(b_value):
    return {"MRDiffusionSequence": {"DiffusionBValue": float(b_value)}}


def scale(slope):
    return {"PixelValueTransformationSequence": {"RescaleSlope": slope, "RescaleIntercept": 0, "RescaleType": "US"}}


@pytest.mark.parametrize("order", [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [2, 0, 4, 1, 3]])
def test_one_volume_in_any_order_of_frames(tmp_path, order):
    found = only(write_enhanced(tmp_path / "a", SERIES, [Frame(plane) for plane in order]))
    assert (found.outcome, found.geometry.shape) == (Outcome.STORE, (10, 12, 5))
    assert found.plane_map["order"] == ("running" if order == sorted(order) else "listed")
    assert found.geometry.affine[2] == (0.0, 0.0, 2.0, -60.0)
    assert_planes(found, [0])


def test_repetitions_in_one_file_with_planes_or_times_running_fastest(tmp_path):
    frames = [Frame(p, t, moment(t + 1)) for p in range(5) for t in range(3)]
    found = only(write_enhanced(tmp_path / "a", SERIES, frames))
    assert (found.geometry.shape, found.plane_map["by"]) == ((10, 12, 5, 3), ["position", "temporal_position"])
    assert_planes(found, [0, 1, 2])


def test_one_file_for_each_repetition(tmp_path):
    paths = [
        write_enhanced(
            tmp_path / f"{9 - time}",
            SERIES,
            [
                # Odd planes are excited first: the times of planes in a volume overlap those of no other volume.
                Frame(p, time, {"FrameContentSequence": {"FrameAcquisitionDateTime": f"2024050112000{time}.{p % 2}"}})
                for p in range(5)
            ],
            instance=time + 1,
        )
        for time in range(3)
    ]
    found = only(*reversed(paths))
    assert (found.geometry.shape, found.geometry.time_step_s) == ((10, 12, 5, 3), 1.0)
    assert [file.path for file in found.files] == paths
    assert_planes(found, [0, 1, 2])


def test_magnitude_and_phase_in_one_file_are_two_parts(tmp_path):
    frames = [Frame(p, v, kind("MP"[v]) | scale([1.0, 2.0][v])) for p in range(5) for v in range(2)]
    found = only(write_enhanced(tmp_path / "a", SERIES, frames))
    assert (found.outcome, found.geometry.shape) == (Outcome.STORE, (10, 12, 5, 2))
    assert found.geometry.axes == ("i", "j", "k", "volume")
    assert [(part["name"], part["first_plane"], part["planes"]) for part in found.plane_map["parts"]] == [
        ("part-mag", 0, 5),
        ("part-phase", 5, 5),
    ]
    assert [part["geometry"]["slope"] for part in found.plane_map["parts"]] == [1.0, 2.0]
    assert found.encoding.details["rescale_slopes"] == [1.0] * 5 + [2.0] * 5
    assert_planes(found, [0, 1])


def test_a_group_is_named_once_in_the_names_of_its_parts(tmp_path):
    """Philips exports one series in both forms, as files of one plane and as one of all."""
    one = {"SeriesInstanceUID": "1.2.3", "SeriesNumber": 1}
    classic = write_series(tmp_path, SyntheticSeries(planes=20), **one)
    series = SyntheticSeries(uid=2, planes=20, times=2)
    frames = [Frame(p, v, kind("MP"[v])) for p in range(20) for v in range(2)]
    enhanced = write_enhanced(tmp_path / "enhanced", series, frames, **one)
    found = {candidate.names.scan: candidate for candidate in judged(*classic, enhanced)}
    assert sorted(found) == ["001-synthetic_group-1", "001-synthetic_group-2"]
    parts = found["001-synthetic_group-2"].plane_map["parts"]
    assert [part["name"] for part in parts] == ["part-mag", "part-phase"]


def test_echoes_of_magnitude_and_phase(tmp_path):
    both = [(e, v) for e in range(2) for v in range(2)]
    frames = [Frame(p, 2 * e + v, kind("MP"[v]) | echo(2.5 * (e + 1))) for e, v in both for p in range(5)]
    found = only(write_enhanced(tmp_path / "a", SyntheticSeries(planes=5, times=4), frames))
    names = [part["name"] for part in found.plane_map["parts"]]
    assert names == ["echo-1_part-mag", "echo-1_part-phase", "echo-2_part-mag", "echo-2_part-phase"]
    assert_planes(found, range(4), SyntheticSeries(planes=5, times=4))


def test_b_values_are_volumes_with_their_names(tmp_path):
    frames = [Frame(p, v, diffusion([0, 1000, 2000][v])) for v in range(3) for p in range(5)]
    found = only(write_enhanced(tmp_path / "a", SERIES, frames))
    assert found.geometry.shape == (10, 12, 5, 3)
    assert [volume["b_value"] for volume in found.plane_map["volumes"]] == [0.0, 1000.0, 2000.0]
    assert_planes(found, [0, 1, 2])


def test_dimensions_order_volumes_that_no_time_tells_apart(tmp_path):
    from pydicom.dataset import Dataset

    pointers = [0x00209057, 0x00189087]  # position in the stack, b-value
    dimensions = [Dataset() for _ in pointers]
    for dimension, pointer in zip(dimensions, pointers, strict=True):
        dimension.DimensionIndexPointer = pointer
    content = lambda p, v: {"FrameContentSequence": {"DimensionIndexValues": [p + 1, 3 - v]}}  # noqa: E731
    frames = [Frame(p, v, content(p, v)) for v in range(3) for p in range(5)]
    found = only(write_enhanced(tmp_path / "a", SERIES, frames, DimensionIndexSequence=dimensions))
    assert found.plane_map["by"] == ["position", "dimension_index"]
    assert_planes(found, [2, 1, 0])


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"])
def test_enhanced_files_in_other_syntaxes(tmp_path, syntax):
    series = SyntheticSeries(planes=4, transfer_syntax=syntax)
    found = only(write_enhanced(tmp_path / "a", series, [Frame(plane) for plane in (3, 1, 0, 2)]))
    assert (found.outcome, found.geometry.shape) == (Outcome.STORE, (10, 12, 4))


def test_a_scout_in_one_file_is_set_aside(tmp_path):
    frames = [
        Frame(p, 0, {"PlaneOrientationSequence": {"ImageOrientationPatient": list(orientation)}})
        for orientation in (AXIAL, SAGITTAL, CORONAL)
        for p in range(3)
    ]
    found = only(write_enhanced(tmp_path / "a", SERIES, frames))
    assert (found.outcome, "3 orientations" in found.reason, len(found.files)) == (Outcome.SET_ASIDE, True, 1)


def test_stacks_of_different_grids_in_one_file_are_set_aside(tmp_path):
    series = SyntheticSeries(planes=20)
    frames = [
        Frame(p, v, {"PlaneOrientationSequence": {"ImageOrientationPatient": list((AXIAL, (0, -1, 0, 1, 0, 0))[v])}})
        for v in range(2)
        for p in range(20)
    ]
    found = only(write_enhanced(tmp_path / "a", series, frames))
    assert (found.outcome, "grids of their own" in found.reason) == (Outcome.SET_ASIDE, True)


def test_a_repetition_that_lacks_a_frame_is_refused_and_named(tmp_path):
    frames = [Frame(p, t, moment(t + 1)) for t in range(3) for p in range(5)][:-1]
    found = only(write_enhanced(tmp_path / "a", SERIES, frames))
    assert found.outcome is Outcome.REFUSE
    assert "4 positions have 3 files each, but 2 at -52.00 mm (a frame 5)" in found.reason


def test_frames_without_functional_groups_are_set_aside(tmp_path):
    path = write_enhanced(tmp_path / "a", SERIES, [Frame(0), Frame(1)])
    wrong = write_enhanced(tmp_path / "b", SERIES, [Frame(0), Frame(1)], NumberOfFrames=1, SeriesInstanceUID="1.2")
    found = judged(path, wrong)
    assert [one.outcome for one in found] == [Outcome.STORE, Outcome.SET_ASIDE]
    assert "2 functional groups for 1 frames" in found[1].reason


@pytest.mark.parametrize("orientation", [AXIAL, SAGITTAL, CORONAL])
@pytest.mark.parametrize("planes", [4, 7])
def test_mosaics_are_the_same_volume_as_their_planes(tmp_path, orientation, planes):
    series = SyntheticSeries(planes=planes, times=2, orientation=orientation)
    each = lambda time: {"AcquisitionTime": f"1200{time:02d}"}  # noqa: E731
    found = only(*write_mosaics(tmp_path / "m", series, each))
    plain = only(*write_series(tmp_path / "p", series, lambda _, time: each(time)))
    assert (found.outcome, found.geometry.shape) == (Outcome.STORE, (10, 12, planes, 2))
    np.testing.assert_allclose(found.geometry.affine, plain.geometry.affine, atol=1e-6)
    assert_planes(found, [0, 1], series)


def test_a_mosaic_that_does_not_say_how_many_planes_it_has(tmp_path):
    paths = write_mosaics(tmp_path, SERIES)
    for path in paths:
        data = path.read_bytes()
        path.write_bytes(data.replace(b"\x19\x00\x0a\x10US\x02\x00\x05\x00", b"\x19\x00\x0b\x10US\x02\x00\x05\x00"))
    found = only(*paths)
    assert (found.outcome, "how many planes it has" in found.reason) == (Outcome.SET_ASIDE, True)


def csa(tags, *, is_new=True):
    body = b""
    for name, items in tags.items():
        body += name.encode().ljust(64, b"\0") + struct.pack("<i4sii", 1, b"FD\0\0", 4, len(items))
        body += struct.pack("<i", 77)
        for item in items:
            text = item.encode() + b"\0"
            lengths = (len(text) if is_new else len(text) + len(tags), len(text), 77, 0)
            body += struct.pack("<4i", *lengths) + text.ljust(-(-len(text) // 4) * 4, b"\0")
    return (b"SV10\4\3\2\1" if is_new else b"") + struct.pack("<II", len(tags), 77) + body


@pytest.mark.parametrize("is_new", [True, False])
def test_the_private_header_of_siemens(is_new):
    header = csa({"Other": ["x"], "SliceNormalVector": ["-1.0", "0", "0.0"], "Count": ["36"]}, is_new=is_new)
    wanted = frozenset(("SliceNormalVector", "Count", "Other"))
    assert numbers_of(header, wanted) == {"SliceNormalVector": (-1.0, 0.0, 0.0), "Count": (36.0,)}
    for end in range(len(header)):
        assert set(numbers_of(header[:end], wanted)) <= {"SliceNormalVector", "Count"}


def test_cut_and_broken_functional_groups_are_named(tmp_path):
    path = write_enhanced(tmp_path / "a", SERIES, [Frame(plane) for plane in range(5)])
    data = path.read_bytes()
    at = data.index(b"\x00\x52\x30\x92")
    for end in range(at, at + 400, 7):
        path.write_bytes(data[:end])
        assert str(path) in examine(path).fault
    for position in range(at + 8, at + 120):
        broken = bytearray(data)
        broken[position] ^= 0xFF
        path.write_bytes(broken)
        candidates([examine(path)])
