"""Every transfer syntax: files come back as they were, samples are those that were encoded."""

from __future__ import annotations

import gzip

import nibabel
import numpy as np
import pydicom
import pytest

from hbimg.ingest.candidates import Outcome
from hbimg.ingest.dicom import candidates, read_facts
from hbimg.testing.dicom_frames import Frame, write_enhanced
from hbimg.testing.dicom_series import SyntheticSeries, write_series
from hbimg.testing.transfer_syntaxes import SYNTAXES, reencode, save
from hbimg.volumes.decoding import decode_planes

SERIES = SyntheticSeries(planes=4, rows=24, columns=20)
COMPRESSED = [name for name, syntax in SYNTAXES.items() if syntax.encode]


def write(folder, name, **options):
    """Write the series in a syntax; smooth samples of 8 bits, which lossy syntaxes change little."""
    wanted = []
    for path in write_series(folder, SERIES):
        dataset = pydicom.dcmread(path)
        ramp = np.add.outer(np.arange(24), np.arange(20)) * 3 + 10 * len(wanted)
        wanted.append(ramp)
        dataset.PixelData = ramp.astype("<u2").tobytes()
        reencode(dataset, name, **options)
        save(dataset, path)
    return np.array(wanted)


def assert_samples(found, wanted, name):
    if SYNTAXES[name].lossless:
        np.testing.assert_array_equal(found, wanted)
    else:
        assert 0 < np.abs(found.astype(int) - wanted).max() <= 6 or np.array_equal(found, wanted)


@pytest.mark.parametrize("name", SYNTAXES)
def test_a_series_in_every_syntax(hbimg, name):
    folder = hbimg.folder / "in"
    wanted = write(folder, name, fragments=3 if name != "rle" and name in COMPRESSED else 1)
    assert "1 stored" in hbimg("ingest", folder, "--table", "t", "--strict").err
    assert hbimg.exported() == {path.name: path.read_bytes() for path in folder.iterdir()}
    hbimg("run", "compress", "--table", "t", "--workers", "1")
    hbimg("export", "--table", "t", "--result", "compress", "--to", hbimg.folder / "made")
    (path,) = (hbimg.folder / "made").rglob("*.nii.gz")
    image = np.asanyarray(nibabel.Nifti1Image.from_bytes(gzip.decompress(path.read_bytes())).dataobj)
    assert_samples(image[:, ::-1].T, wanted, name)


@pytest.mark.parametrize("name", COMPRESSED)
@pytest.mark.parametrize(
    ("fragments", "table"), [(1, "none"), (1, "basic"), (2, "basic"), (1, "extended"), (2, "none")]
)
def test_frames_of_one_file_by_every_offset_table(tmp_path, name, fragments, table):
    if fragments > 1 and name == "rle":
        pytest.skip("a frame in RLE is one fragment by the standard")
    path = write_enhanced(tmp_path / "a", SERIES, [Frame(plane) for plane in (2, 0, 3, 1)])
    dataset = pydicom.dcmread(path)
    ramps = np.array([np.add.outer(np.arange(24), np.arange(20)) * 3 + 10 * n for n in range(4)])
    dataset.PixelData = ramps.astype("<u2").tobytes()
    reencode(dataset, name, fragments=fragments, table=table)
    dataset.save_as(path, enforce_file_format=True)
    (found,) = candidates([read_facts(path)])
    assert (found.outcome, len(found.files[0].runs)) == (Outcome.STORE, 4)
    data = path.read_bytes()
    frames = [data[run.offset : run.offset + run.length] for run in found.files[0].runs]
    assert_samples(decode_planes(frames, found.encoding), ramps, name)


def test_frames_whose_borders_nothing_marks_are_set_aside(tmp_path):
    path = write_enhanced(tmp_path / "a", SERIES, [Frame(plane) for plane in range(4)])
    dataset = pydicom.dcmread(path)
    reencode(dataset, "rle", fragments=1, table="none")
    dataset.NumberOfFrames = 4
    dataset.save_as(path, enforce_file_format=True)
    data = path.read_bytes()
    # Two of the fragments become one: nothing says which frame they are of.
    at = data.rindex(b"\xfe\xff\x00\xe0")
    path.write_bytes(data[:at] + data[at + 8 + int.from_bytes(data[at + 4 : at + 8], "little") :])
    (found,) = candidates([read_facts(path)])
    assert (found.outcome, "cannot be told apart" in found.reason) == (Outcome.SET_ASIDE, True)


def coloured(folder, photometric, planar=0, **tags):
    """A series in colour, native; gives what should be read, shape (planes, rows, columns, 3)."""
    from pydicom.pixels import convert_color_space

    wanted = []
    for number, path in enumerate(write_series(folder, SERIES, Modality="MR")):
        dataset = pydicom.dcmread(path)
        rgb = np.stack(
            [np.full((24, 20), 40 * number), np.add.outer(np.arange(24), np.arange(20)), np.eye(24, 20) * 99], -1
        )
        rgb = rgb.astype(np.uint8)
        wanted.append(rgb)
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 3, photometric
        dataset.BitsAllocated = dataset.BitsStored = 8
        dataset.HighBit, dataset.PlanarConfiguration = 7, planar
        stored = rgb if photometric == "RGB" else convert_color_space(rgb, "RGB", "YBR_FULL")
        dataset.PixelData = (stored.transpose(2, 0, 1) if planar else stored).tobytes()
        dataset["PixelData"].VR = "OB"
        dataset.save_as(path)
    return np.array(wanted)


@pytest.mark.parametrize(("photometric", "planar"), [("RGB", 0), ("RGB", 1), ("YBR_FULL", 0)])
def test_colour(hbimg, photometric, planar):
    folder = hbimg.folder / "in"
    wanted = coloured(folder, photometric, planar)
    hbimg("ingest", folder, "--table", "t", "--strict")
    assert hbimg.exported() == {path.name: path.read_bytes() for path in folder.iterdir()}
    found = voxels_of(hbimg)
    assert found.shape == (20, 24, 4, 3)
    assert np.abs(found.transpose(2, 1, 0, 3).astype(int) - wanted).max() <= (0 if photometric == "RGB" else 2)


def voxels_of(hbimg):
    from hbimg.store import open_store
    from hbimg.volumes import VolumeReader, VolumeTable
    from hbimg.volumes.voxels import voxels

    with open_store(hbimg.store) as store:
        volumes = VolumeTable.open(store, "t")
        (record,) = volumes.records()
        return voxels(VolumeReader(volumes, record))


@pytest.mark.parametrize("bits", [8, 16])
def test_a_palette_gives_its_colours(hbimg, bits):
    folder = hbimg.folder / "in"
    table = np.random.default_rng(1).integers(0, 256, (256, 3), np.uint8)
    for path in write_series(folder, SERIES):
        dataset = pydicom.dcmread(path)
        dataset.PhotometricInterpretation = "PALETTE COLOR"
        dataset.BitsAllocated = dataset.BitsStored = 8
        dataset.HighBit = 7
        dataset.PixelData = (np.arange(480) % 256).astype(np.uint8).tobytes()
        for channel, name in enumerate(("Red", "Green", "Blue")):
            setattr(dataset, f"{name}PaletteColorLookupTableDescriptor", [256, 0, bits])
            dataset[f"{name}PaletteColorLookupTableDescriptor"].VR = "US"
            values = table[:, channel] if bits == 8 else table[:, channel].astype("<u2") << 8
            setattr(dataset, f"{name}PaletteColorLookupTableData", values.tobytes())
        dataset["PixelData"].VR = "OB"
        dataset.save_as(path)
    hbimg("ingest", folder, "--table", "t", "--strict")
    assert hbimg.exported() == {path.name: path.read_bytes() for path in folder.iterdir()}
    found = voxels_of(hbimg)
    np.testing.assert_array_equal(found[:, :, 1].transpose(1, 0, 2).reshape(-1, 3), table[np.arange(480) % 256])


@pytest.mark.parametrize("name", ["jpeg-extended", "htj2k", "htj2k-lossy"])
def test_what_dcm2niix_does_not_decode_is_decoded_for_it(hbimg, name):
    wanted = write(hbimg.folder / "in", name)
    hbimg("ingest", hbimg.folder / "in", "--table", "t")
    hbimg("run", "dicom2nifti", "--table", "t", "--workers", "1")
    hbimg("export", "--table", "t", "--result", "dicom2nifti", "--to", hbimg.folder / "made")
    (path,) = (hbimg.folder / "made").rglob("*.nii.gz")
    assert_samples(np.asanyarray(nibabel.load(path).dataobj)[:, ::-1].T, wanted, name)
