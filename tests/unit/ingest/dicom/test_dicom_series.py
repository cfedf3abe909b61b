"""Files become volumes: grouped, ordered by position and time, gaps and doubles named with place and file."""

from __future__ import annotations

import random

import numpy as np
import pydicom
import pytest

from hbimg.errors import UnreadableFileError
from hbimg.ingest.candidates import Outcome
from hbimg.ingest.dicom import candidates, examine, read_facts
from hbimg.testing.dicom_series import AXIAL, CORONAL, SAGITTAL, SyntheticSeries, write_series


def judged(paths, *, accept=False, shuffle=True):
    """Read the files in an order that means nothing."""
    paths = list(paths)
    if shuffle:
        random.Random(7).shuffle(paths)
    return candidates([read_facts(path) for path in paths], accept_incomplete=accept)


def only(paths, **options):
    found = judged(paths, **options)
    assert len(found) == 1, [(one.outcome, one.reason) for one in found]
    return found[0]


def planes_of(candidate):
    """The samples of each frame, as they lie in the files."""
    frames = []
    for file in candidate.files:
        (run,) = file.runs
        frames.append(np.frombuffer(file.path.read_bytes()[run.offset : run.offset + run.length], "<u2"))
    return frames


def assert_running(candidate, series):
    """Frame n is plane n, fastest in space and then in time."""
    for number, samples in enumerate(planes_of(candidate)):
        time, plane = divmod(number, series.planes)
        np.testing.assert_array_equal(samples.reshape(series.rows, series.columns), series.pixels(plane, time))


def test_a_plain_series_is_a_volume(tmp_path):
    series = SyntheticSeries()
    found = only(write_series(tmp_path, series))
    assert (found.outcome, found.reason, found.format) == (Outcome.STORE, "", "dicom")
    assert found.geometry.shape == (10, 12, 8)
    assert (found.geometry.dtype, found.geometry.axes) == ("<u2", ("i", "j", "k"))
    assert found.geometry.affine == (
        (-1.0, 0.0, 0.0, 40.0),
        (0.0, -1.5, 0.0, 50.0),
        (0.0, 0.0, 2.0, -60.0),
        (0.0, 0.0, 0.0, 1.0),
    )
    assert found.plane_map == {"order": "running", "by": ["position"], "tie_break": False}
    assert found.header["00200011"]["Value"] == [1]
    assert (found.names.project, found.names.subject) == (None, "sub-01")
    assert (found.names.session, found.names.scan) == ("20240501", "001-synthetic")
    assert_running(found, series)


def test_neither_names_nor_instance_numbers_order_planes(tmp_path):
    series = SyntheticSeries(planes=9)
    numbers = random.Random(3).sample(range(1, 10), 9)
    paths = write_series(tmp_path, series, lambda plane, _: {"InstanceNumber": numbers[plane]})
    names = random.Random(4).sample(range(9), 9)
    renamed = [path.rename(tmp_path / f"IM{name}") for path, name in zip(paths, names, strict=True)]
    assert_running(only(renamed), series)


def test_the_order_of_files_changes_nothing(tmp_path):
    paths = write_series(tmp_path, SyntheticSeries(times=2), lambda _, time: {"TriggerTime": 10.0 * time})
    assert judged(paths, shuffle=False) == judged(paths) == judged(reversed(paths), shuffle=False)


@pytest.mark.parametrize("orientation", [AXIAL, SAGITTAL, CORONAL, (0.8, 0.6, 0.0, 0.0, 0.0, -1.0)])
def test_the_affine_places_every_plane(tmp_path, orientation):
    series = SyntheticSeries(orientation=orientation, planes=5)
    affine = np.array(only(write_series(tmp_path, series)).geometry.affine)
    for plane in range(5):
        right, front, up = (affine @ [0, 0, plane, 1])[:3]
        np.testing.assert_allclose([-right, -front, up], series.position_mm(plane), atol=1e-5)
    np.testing.assert_allclose(affine[:3, 0] * [-1, -1, 1], np.array(orientation[:3]) * 1.0)
    np.testing.assert_allclose(affine[:3, 1] * [-1, -1, 1], np.array(orientation[3:]) * 1.5)


TIMES = {
    "temporal_position": lambda time: {"TemporalPositionIdentifier": time + 1},
    "trigger_time": lambda time: {"TriggerTime": 25.0 * time},
    "acquisition_time": lambda time: {"AcquisitionDate": "20240501", "AcquisitionTime": f"2359{50 + 2 * time:02d}.5"},
    "content_time": lambda time: {"ContentTime": f"1200{time:02d}"},
}


@pytest.mark.parametrize("by", TIMES)
def test_repeated_positions_are_time(tmp_path, by):
    series = SyntheticSeries(planes=4, times=5)
    # Instance numbers run backwards, so an order by them would be wrong.
    paths = write_series(tmp_path, series, lambda p, t: {**TIMES[by](t), "InstanceNumber": 100 - 4 * t - p})
    found = only(paths)
    assert found.geometry.shape == (10, 12, 4, 5)
    assert found.geometry.axes == ("i", "j", "k", "t")
    assert found.plane_map == {"order": "running", "by": ["position", by], "tie_break": False}
    assert_running(found, series)


def test_midnight_is_no_step_back(tmp_path):
    series = SyntheticSeries(planes=3, times=2)
    moments = ["20240501235959", "20240502000001"]
    found = only(write_series(tmp_path, series, lambda _, t: {"AcquisitionDateTime": moments[t]}))
    assert_running(found, series)
    assert found.geometry.time_step_s == 2.0


def test_the_time_step_is_measured(tmp_path):
    series = SyntheticSeries(planes=3, times=4)
    assert only(write_series(tmp_path, series, lambda _, t: TIMES["trigger_time"](t))).geometry.time_step_s == 0.025


def test_instance_numbers_only_break_ties(tmp_path):
    series = SyntheticSeries(planes=4, times=3)
    found = only(write_series(tmp_path, series, AcquisitionTime="120000", ScanningSequence="EP", RepetitionTime=2500))
    assert found.plane_map == {"order": "running", "by": ["position", "instance_number"], "tie_break": True}
    assert "instance_number" in found.remarks[0]
    assert found.geometry.time_step_s == 2.5
    assert_running(found, series)


def test_two_series_in_one_folder(tmp_path):
    first, second = SyntheticSeries(), SyntheticSeries(uid=2, planes=5, orientation=SAGITTAL)
    found = judged(write_series(tmp_path, first) + write_series(tmp_path, second))
    assert [one.names.scan for one in found] == ["001-synthetic", "002-synthetic"]
    assert_running(found[0], first)
    assert_running(found[1], second)


def test_one_series_in_several_folders(tmp_path):
    series = SyntheticSeries()
    paths = write_series(tmp_path / "a", series)
    (tmp_path / "b").mkdir()
    moved = [path.rename(tmp_path / "b" / path.name) if number % 2 else path for number, path in enumerate(paths)]
    assert_running(only(moved), series)


def test_copies_of_a_series_in_two_folders_are_two(tmp_path):
    found = judged(write_series(tmp_path / "a") + write_series(tmp_path / "b"))
    assert [(one.outcome, len(one.files)) for one in found] == [(Outcome.STORE, 8)] * 2


def test_echoes_and_phases_are_volumes_of_their_own(tmp_path):
    series = SyntheticSeries(planes=4, times=4)

    def tags(_, time):
        echo, part = divmod(time, 2)
        return {"EchoTime": [4.9, 7.4][echo], "ImageType": ["ORIGINAL", "PRIMARY", "MP"[part]]}

    found = judged(write_series(tmp_path, series, tags))
    assert [one.names.scan for one in found] == [
        "001-synthetic_echo-1_part-mag",
        "001-synthetic_echo-1_part-phase",
        "001-synthetic_echo-2_part-mag",
        "001-synthetic_echo-2_part-phase",
    ]
    for time, one in enumerate(found):
        assert one.geometry.shape == (10, 12, 4)
        np.testing.assert_array_equal(planes_of(one)[2].reshape(12, 10), series.pixels(2, time))


def test_series_of_other_numbers_are_others_though_they_share_a_uid(tmp_path):
    first = write_series(tmp_path, SyntheticSeries(uid=1), SeriesInstanceUID="1.2.3")
    second = write_series(tmp_path, SyntheticSeries(uid=2), SeriesInstanceUID="1.2.3")
    found = judged(first + second)
    assert [(one.names.scan, one.outcome, len(one.files)) for one in found] == [
        ("001-synthetic", Outcome.STORE, 8),
        ("002-synthetic", Outcome.STORE, 8),
    ]


def test_a_file_that_is_cut_before_its_series_number_belongs_to_its_series(tmp_path):
    paths = write_series(tmp_path, SyntheticSeries())
    whole = paths[3].read_bytes()
    paths[3].write_bytes(whole[: whole.index(b"\x20\x00\x11\x00IS")])
    (found,) = candidates([examine(path) for path in paths])
    assert found.outcome is Outcome.REFUSE
    assert "01-0004.dcm has no pixels" in found.reason


def test_implicit_and_explicit_files_are_one_volume(tmp_path):
    series = SyntheticSeries(planes=6)
    paths = write_series(tmp_path, series)
    for path in paths[::2]:
        dataset = pydicom.dcmread(path)
        dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2"
        dataset.save_as(path, implicit_vr=True, little_endian=True)
    found = only(paths)
    assert found.outcome is Outcome.STORE
    for plane, samples in enumerate(planes_of(found)):
        np.testing.assert_array_equal(samples.reshape(12, 10), series.pixels(plane))


def test_b_values_at_one_position_are_never_refused_and_never_mixed(tmp_path):
    series = SyntheticSeries(planes=5, times=2)
    # Neither times nor instance numbers tell the two b-values apart; or times do, each plane in its own order.
    alike = lambda p, t: {"DiffusionBValue": 1000.0 * t, "InstanceNumber": p + 1}  # noqa: E731
    mixed = lambda p, t: {"DiffusionBValue": 1000.0 * t, "ContentTime": f"1200{(t + p) % 2:02d}"}  # noqa: E731
    both = lambda p, t: alike(p, t) | mixed(p, t)  # noqa: E731
    for number, each in enumerate((alike, mixed, both)):
        found = only(write_series(tmp_path / str(number), series, each))
        assert (found.outcome, found.geometry.shape) == (Outcome.STORE, (10, 12, 5, 2))
        assert [volume["b_value"] for volume in found.plane_map["volumes"]] == [0.0, 1000.0]
        for place, samples in enumerate(planes_of(found)):
            np.testing.assert_array_equal(samples.reshape(12, 10), series.pixels(place % 5, place // 5))


@pytest.mark.parametrize(
    ("maker", "tag", "vr", "values"),
    [
        ("SIEMENS", 0x0019100C, "IS", ["0", "1000"]),
        ("GE MEDICAL SYSTEMS", 0x00431039, "IS", [["0", "8", "0", "0"], ["1000001000", "8", "0", "0"]]),
        ("Philips Medical Systems", 0x20011003, "FL", [0.0, 1000.0]),
        ("UIH", 0x00651009, "FD", [0.0, 1000.0]),
    ],
)
def test_b_values_in_private_elements(tmp_path, maker, tag, vr, values):
    series = SyntheticSeries(planes=5, times=2)
    paths = write_series(tmp_path, series, lambda p, _: {"InstanceNumber": p + 1}, Manufacturer=maker)
    for number, path in enumerate(paths):
        dataset = pydicom.dcmread(path)
        dataset.private_block(tag >> 16, "A MAKER'S OWN", create=True)
        dataset.add_new(tag, vr, values[number // 5])
        dataset.save_as(path)
    found = only(paths)
    assert found.outcome is Outcome.STORE
    assert [volume["b_value"] for volume in found.plane_map["volumes"]] == [0.0, 1000.0]


def ge_private(*elements):
    """Give a function that puts GE's private elements, as (group, element, VR, value), into a file."""

    def write(path, wanted):
        dataset = pydicom.dcmread(path)
        dataset.private_block(0x0019, "GEMS_ACQU_01", create=True)
        dataset.private_block(0x0043, "GEMS_PARM_01", create=True)
        for (group, element, vr), value in zip(elements, wanted, strict=True):
            dataset.add_new((group, element), vr, value)
        dataset.save_as(path)

    return write


def test_real_and_imaginary_images_of_ge_are_no_repetitions(tmp_path):
    """GE interleaves them in one series, all of one type, and tells them apart by a private element alone."""
    series = SyntheticSeries(planes=4, times=4)
    paths = write_series(
        tmp_path, series, Manufacturer="GE MEDICAL SYSTEMS", ImageType=["ORIGINAL", "PRIMARY", "OTHER"]
    )
    write = ge_private((0x0043, 0x102F, "SS"))
    for number, path in enumerate(paths):
        write(path, [number // 4])
    found = judged(paths)
    assert [one.names.scan for one in found] == [
        f"001-synthetic_part-{part}" for part in ("mag", "imag", "real", "phase")
    ]
    for one, time in zip(found, (0, 3, 2, 1), strict=True):
        assert one.geometry.shape == (10, 12, 4)
        np.testing.assert_array_equal(planes_of(one)[2].reshape(12, 10), series.pixels(2, time))


@pytest.mark.parametrize(("sequence", "internal"), [("3db0map", "EFGRE3D"), ("B0rf", "B0map")])
def test_a_field_map_of_ge_and_its_magnitude_are_no_repetitions(tmp_path, sequence, internal):
    series = SyntheticSeries(planes=4, times=2)
    paths = write_series(
        tmp_path, series, Manufacturer="GE MEDICAL SYSTEMS", ImageType=["ORIGINAL", "PRIMARY", "OTHER"]
    )
    write = ge_private((0x0019, 0x109C, "LO"), (0x0019, 0x109E, "LO"), (0x0043, 0x102F, "SS"), (0x0043, 0x1030, "SS"))
    for number, path in enumerate(paths):
        write(path, [sequence, internal, 0, 2 * (number // 4)])
    found = judged(paths)
    assert [one.names.scan for one in found] == ["001-synthetic_part-mag", "001-synthetic_part-fieldmap"]
    for time, one in enumerate(reversed(found)):
        np.testing.assert_array_equal(planes_of(one)[2].reshape(12, 10), series.pixels(2, time))


def test_an_echo_that_lacks_a_plane_is_refused_alone(tmp_path):
    paths = write_series(tmp_path, SyntheticSeries(times=2), lambda _, t: {"EchoTime": [4.9, 7.4][t]})
    found = judged([path for number, path in enumerate(paths) if number != 11])
    assert [one.outcome for one in found] == [Outcome.STORE, Outcome.REFUSE]
    assert "1 plane is missing at -54.00 mm" in found[1].reason


def test_echo_times_that_differ_by_plane_divide_nothing(tmp_path):
    found = only(write_series(tmp_path, each=lambda plane, _: {"EchoTime": 5 + plane / 10}))
    assert found.geometry.shape == (10, 12, 8)


def test_a_missing_plane_is_named_with_its_place_and_neighbours(tmp_path):
    paths = write_series(tmp_path)
    found = only([path for number, path in enumerate(paths) if number != 3])
    assert found.outcome is Outcome.REFUSE
    assert (
        "1 plane is missing at -54.00 mm (between 01-0003.dcm and 01-0005.dcm; planes are 2 mm apart)" in found.reason
    )
    assert str(tmp_path) in found.reason
    assert "Nobody" not in found.reason
    assert "\n" not in found.reason


def test_a_series_accepted_though_incomplete_makes_up_no_plane(tmp_path):
    paths = write_series(tmp_path)
    found = only([path for number, path in enumerate(paths) if number not in (3, 4)], accept=True)
    assert found.outcome is Outcome.STORE
    assert found.geometry.shape == (10, 12, 6)
    assert found.geometry.spacing_mm[2] == pytest.approx(2.0)
    assert found.missing["planes_mm"] == [-54.0, -52.0]
    assert found.missing["positions_mm"] == [-60.0, -58.0, -56.0, -50.0, -48.0, -46.0]
    assert any("accepted though 2 planes are missing" in remark for remark in found.remarks)


def test_uneven_planes(tmp_path):
    shifted = lambda plane, _: {"ImagePositionPatient": [-40, -50, -60 + 2 * plane + (0.3 if plane == 5 else 0)]}  # noqa: E731
    found = only(write_series(tmp_path, each=shifted))
    assert found.outcome is Outcome.REFUSE
    assert "planes are uneven: 2 mm apart, but 2.3 mm between 01-0005.dcm and 01-0006.dcm" in found.reason


@pytest.mark.parametrize(("noise_mm", "outcome"), [(0.004, Outcome.STORE), (0.1, Outcome.REFUSE)])
def test_noise_in_positions_is_no_gap(tmp_path, noise_mm, outcome):
    place = lambda plane, _: {"ImagePositionPatient": [-40, -50, -60 + 2 * plane + noise_mm * (plane % 2)]}  # noqa: E731
    assert only(write_series(tmp_path, each=place)).outcome is outcome


def test_a_tilted_stack(tmp_path):
    found = only(write_series(tmp_path, SyntheticSeries(step_mm=(0.0, 0.5, 2.0))))
    assert (found.outcome, found.missing) == (Outcome.STORE, None)
    assert "gantry tilt: the planes' stack leans by 14.0 degrees" in found.remarks[0]
    assert [row[2] for row in found.geometry.affine] == pytest.approx([0, -0.5, 2.0, 0])


def test_one_plane_out_of_its_place_is_no_tilt(tmp_path):
    place = lambda plane, _: {"ImagePositionPatient": [-40, -50 + (3 if plane == 5 else 0), -60 + 2 * plane]}  # noqa: E731
    found = only(write_series(tmp_path, each=place))
    assert found.outcome is Outcome.REFUSE
    assert "planes are shifted sideways" in found.reason


def uneven_ct(folder, positions, numbers=None):
    """A CT series with planes at these positions."""
    numbers = numbers or range(1, len(positions) + 1)
    place = lambda plane, _: {  # noqa: E731
        "ImagePositionPatient": [-40, -50, positions[plane]],
        "InstanceNumber": numbers[plane],
    }
    series = SyntheticSeries(planes=len(positions))
    return write_series(folder, series, place, Modality="CT", SOPClassUID="1.2.840.10008.5.1.4.1.1.2")


@pytest.mark.parametrize("positions", [[0, 4, 8, 12, 13.1, 20.1, 27.1, 34.1], [0, 5, 10, 20, 30, 40], [0, 5, 10, 20]])
def test_uneven_ct_is_stored_and_said(tmp_path, positions):
    found = only(uneven_ct(tmp_path, positions))
    assert (found.outcome, found.missing) == (Outcome.STORE, None)
    assert "affine holds up to the first gap" in found.remarks[0]
    assert found.plane_map["positions_mm"] == positions


def test_a_plane_that_ct_lost_is_missing(tmp_path):
    found = only(uneven_ct(tmp_path, [0, 5, 10, 20, 25], numbers=[1, 2, 3, 5, 6]))
    assert found.outcome is Outcome.REFUSE
    assert "1 plane is missing at 15.00 mm" in found.reason


def test_doubled_planes(tmp_path):
    series = SyntheticSeries()
    paths = write_series(tmp_path / "a", series)
    again = write_series(tmp_path / "b", series, SOPInstanceUID="1.2.3.4")[4]
    found = only([*paths, again], accept=True)
    assert found.outcome is Outcome.REFUSE
    assert "no time tells them apart: -52.00 mm (01-0005.dcm and 01-0005.dcm)" in found.reason


def test_the_same_instance_twice(tmp_path):
    paths = write_series(tmp_path)
    copy = tmp_path / "copy"
    copy.write_bytes(paths[2].read_bytes())
    found = only([*paths, copy])
    assert found.outcome is Outcome.REFUSE
    assert f"the same instance is there twice: {paths[2]} and {copy}" in found.reason


def test_a_repetition_that_lacks_a_plane(tmp_path):
    paths = write_series(tmp_path, SyntheticSeries(times=3), lambda _, t: TIMES["acquisition_time"](t))
    found = only(paths[:-1])
    assert found.outcome is Outcome.REFUSE
    assert "7 positions have 3 files each, but 2 at -46.00 mm" in found.reason
    accepted = only(paths[:-1], accept=True)
    assert accepted.geometry.shape == (10, 12, 8, 3)
    assert accepted.plane_map["planes"] == list(range(23))


def test_temporal_positions_that_do_not_agree(tmp_path):
    odd = lambda p, t: {"TemporalPositionIdentifier": 9 if (p, t) == (2, 1) else t + 1}  # noqa: E731
    found = only(write_series(tmp_path, SyntheticSeries(times=2), odd))
    assert found.outcome is Outcome.REFUSE
    assert "temporal positions at -56.00 mm" in found.reason


def test_missing_ends_show_by_what_the_header_promises(tmp_path):
    paths = write_series(tmp_path, ImagesInAcquisition=8)
    assert only(paths).outcome is Outcome.STORE
    found = only(paths[:6])
    assert found.outcome is Outcome.REFUSE
    assert "promises 8 images (ImagesInAcquisition), 6 are there" in found.reason


@pytest.mark.parametrize(
    "tags", [{"NumberOfTemporalPositions": 3}, {"NumberOfTemporalPositions": 3, "ImagesInAcquisition": 12}]
)
def test_a_scan_that_was_stopped_behind_a_whole_repetition_is_stored_and_said(tmp_path, tags):
    series = SyntheticSeries(planes=4, times=3)
    paths = write_series(tmp_path, series, lambda _, t: TIMES["acquisition_time"](t), **tags)
    found = only(paths[:8])
    assert (found.outcome, found.geometry.shape) == (Outcome.STORE, (10, 12, 4, 2))
    assert "promises 3 repetitions (NumberOfTemporalPositions), 2 whole ones are there" in found.remarks[0]
    assert only(paths[:7]).outcome is Outcome.REFUSE
    assert only(paths).remarks == ()


def test_an_end_plane_missing_in_every_repetition(tmp_path):
    series = SyntheticSeries(planes=4, times=3)
    tags = {"NumberOfTemporalPositions": 3, "ImagesInAcquisition": 4}
    paths = write_series(tmp_path, series, lambda _, t: TIMES["acquisition_time"](t), **tags)
    found = only([path for number, path in enumerate(paths) if number % 4 != 3])
    assert "promises 4 planes in each repetition (ImagesInAcquisition), 3 are there" in found.reason


def test_two_planes_need_something_that_confirms_their_distance(tmp_path):
    series = SyntheticSeries(planes=2)
    assert only(write_series(tmp_path, series)).outcome is Outcome.STORE
    assert only(write_series(tmp_path, series, SliceThickness=None)).outcome is Outcome.STORE  # numbers 1 and 2
    apart = lambda plane, _: {"InstanceNumber": 1 + 2 * plane}  # noqa: E731
    found = only(write_series(tmp_path, series, apart, SliceThickness=None))
    assert found.outcome is Outcome.REFUSE
    assert "only two planes, 2 mm apart (01-0001.dcm and 01-0002.dcm)" in found.reason


def test_a_single_plane_is_a_volume_of_one(tmp_path):
    found = only(write_series(tmp_path, SyntheticSeries(planes=1)))
    assert (found.outcome, found.geometry.shape) == (Outcome.STORE, (10, 12, 1))
    assert found.geometry.spacing_mm == (1.0, 1.5, 2.0)


def test_one_plane_repeated(tmp_path):
    series = SyntheticSeries(planes=1, times=6)
    cine = only(write_series(tmp_path, series, lambda _, t: TIMES["trigger_time"](t)))
    assert (cine.outcome, cine.geometry.shape) == (Outcome.STORE, (10, 12, 1, 6))
    found = only(write_series(tmp_path, series))
    assert found.outcome is Outcome.SET_ASIDE
    assert "all 6 files show one plane, at -60.00 mm, and no time tells them apart" in found.reason


def write_scout(folder, planes):
    paths = []
    for number, orientation in enumerate((AXIAL, SAGITTAL, CORONAL)):
        uids = {"SeriesInstanceUID": "1.2.3"}
        paths += write_series(folder, SyntheticSeries(uid=number + 1, planes=planes, orientation=orientation), **uids)
    return paths


def test_a_scout_in_three_orientations_is_set_aside(tmp_path):
    found = only(write_scout(tmp_path, 3))
    assert found.outcome is Outcome.SET_ASIDE
    assert "a scout or projections: 3 orientations or sizes of at most 3 planes each" in found.reason
    assert len(found.files) == 9
    assert all(file.runs == () for file in found.files)


def test_whole_volumes_in_several_orientations_are_volumes(tmp_path):
    found = judged(write_scout(tmp_path, 16))
    assert [one.outcome for one in found] == [Outcome.STORE] * 3
    assert len({one.names.scan for one in found}) == 3


def test_a_stray_plane_among_many_is_refused(tmp_path):
    paths = write_series(tmp_path, SyntheticSeries(planes=20))
    stray = write_series(
        tmp_path, SyntheticSeries(uid=2, planes=1, orientation=SAGITTAL), SeriesInstanceUID="1.2.3", SeriesNumber=1
    )
    paths = write_series(tmp_path, SyntheticSeries(planes=20), SeriesInstanceUID="1.2.3", SeriesNumber=1)
    found = only(paths + stray)
    assert found.outcome is Outcome.REFUSE
    assert "1 of 21 files differ from the others in orientation or size: 02-0001.dcm" in found.reason
    assert [one.outcome for one in judged(paths + stray, accept=True)] == [Outcome.STORE, Outcome.SET_ASIDE]


def test_coloured_pictures_of_a_volume_do_not_claim_its_key(tmp_path):
    """Siemens files the colour map of a perfusion volume under that volume's series number and protocol."""
    volume = write_series(tmp_path, SyntheticSeries(planes=20), SeriesNumber=7)
    tags = {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7", "ImagePositionPatient": None, "SeriesNumber": 7}
    pictures = write_series(tmp_path, SyntheticSeries(uid=2, planes=3), **tags)
    found = judged(volume + pictures)
    assert {one.names.scan: one.outcome for one in found} == {
        "007-synthetic": Outcome.STORE,
        "007-synthetic_capture": Outcome.SET_ASIDE,
    }


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7", "ImagePositionPatient": None}, "a secondary capture"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.88.11"}, "a structured report"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.11.1"}, "a presentation state"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.104.1"}, "an encapsulated document"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.481.2"}, "a radiotherapy object"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.4.2"}, "MR spectroscopy"),
        ({"SOPClassUID": "1.2.840.10008.1.3.10"}, "a DICOMDIR"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "M", "MOSAIC"]}, "a mosaic"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, "a scout"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "a palette image whose palette is absent"),
        ({"ImagePositionPatient": None}, "no position, orientation or pixel spacing"),
        ({"Rows": 6, "NumberOfFrames": 2}, "a multi-frame image (2 frames)"),
        ({"PhotometricInterpretation": "CMYK"}, "a colour space that hbimg does not know"),
        ({"SamplesPerPixel": 2, "Rows": 6}, "an image of 2 samples per pixel"),
    ],
)
def test_what_is_no_volume_is_set_aside_as_what_it_is(tmp_path, tags, words):
    found = only(write_series(tmp_path, **tags))
    assert found.outcome is Outcome.SET_ASIDE
    assert words in found.reason
    assert [file.path for file in found.files] == sorted(file.path for file in found.files)


def test_a_deflated_series_is_a_volume_whose_files_are_kept_beside(tmp_path):
    found = only(write_series(tmp_path, SyntheticSeries(transfer_syntax="1.2.840.10008.1.2.1.99")))
    assert (found.outcome, found.geometry.shape) == (Outcome.STORE, (10, 12, 8))
    assert all(file.packing["kind"] == "deflate" and file.packing["kept"] for file in found.files)


def test_a_report_inside_a_series_does_not_spoil_it(tmp_path):
    paths = write_series(tmp_path, SyntheticSeries(planes=9))
    report = write_series(tmp_path / "r", SyntheticSeries(planes=9), SOPClassUID="1.2.840.10008.5.1.4.1.1.88.11")[8]
    found = judged([*paths[:8], report])
    assert [one.outcome for one in found] == [Outcome.STORE, Outcome.SET_ASIDE]
    assert found[0].names.scan != found[1].names.scan


def test_a_file_whose_position_cannot_be_read_is_named(tmp_path):
    found = only(write_series(tmp_path, each=lambda p, _: {"ImagePositionPatient": None} if p == 4 else {}))
    assert found.outcome is Outcome.REFUSE
    assert "no position, orientation or pixel spacing can be read in 01-0005.dcm" in found.reason


def test_one_scale_is_the_volumes_and_several_are_the_planes(tmp_path):
    found = only(write_series(tmp_path, RescaleSlope=2, RescaleIntercept=-1024))
    assert (found.geometry.slope, found.geometry.intercept) == (2.0, -1024.0)
    tags = lambda plane, _: {"RescaleSlope": 1 + plane, "RescaleIntercept": 0}  # noqa: E731
    found = only(write_series(tmp_path, each=tags))
    assert found.encoding.details["rescale_slopes"] == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]
    assert found.geometry.slope == 1.0


def test_names_without_protocol_series_or_patient(tmp_path):
    nothing = {"ProtocolName": None, "PatientID": "", "StudyDate": None, "SeriesNumber": None}
    found = only(write_series(tmp_path, **nothing))
    assert (found.names.subject, found.names.session) == (None, None)
    assert found.names.scan == "series-0043.8.498.1"
    described = only(write_series(tmp_path, **nothing, SeriesDescription="T2 FLAIR"))
    assert described.names.scan == "T2_FLAIR"


def test_every_file_is_in_exactly_one_candidate(tmp_path):
    paths = write_scout(tmp_path / "s", 3) + write_series(tmp_path / "a") + write_series(tmp_path / "b")[:5]
    found = judged(paths)
    assert sorted(file.path for one in found for file in one.files) == sorted(paths)


@pytest.mark.parametrize("keep", [300, -100], ids=["header cut before the series", "pixels cut"])
def test_a_series_whose_last_file_was_cut_does_not_look_whole(tmp_path, keep):
    """Its other planes are even and complete, so nothing but the broken file itself tells."""
    paths = write_series(tmp_path)
    paths[-1].write_bytes(paths[-1].read_bytes()[:keep])
    if keep == 300:
        with pytest.raises(UnreadableFileError, match=r"01-0008\.dcm is cut short inside its header"):
            examine(paths[-1])
        return
    (found,) = candidates([examine(path) for path in paths])
    assert found.outcome is Outcome.REFUSE
    assert "01-0008.dcm is cut short: its pixel data reach to byte" in found.reason
    whole, broken = candidates([examine(path) for path in paths], accept_incomplete=True)
    assert (whole.outcome, whole.geometry.shape) == (Outcome.STORE, (10, 12, 7))
    assert (broken.outcome, [file.path for file in broken.files]) == (Outcome.SET_ASIDE, paths[-1:])


def test_a_header_cut_behind_the_series_refuses_it_too(tmp_path):
    paths = write_series(tmp_path)
    data = paths[-1].read_bytes()
    paths[-1].write_bytes(data[: data.index(b"\x28\x00\x10\x00") + 3])
    (found,) = candidates([examine(path) for path in paths])
    assert found.outcome is Outcome.REFUSE
    assert "01-0008.dcm is cut short inside its header" in found.reason
