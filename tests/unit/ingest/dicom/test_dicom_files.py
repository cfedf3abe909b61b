"""One file: recognised by content, its facts right, its pixels found byte for byte, broken ones named on one line."""

from __future__ import annotations

import pickle
import random
import struct
import warnings
import zlib

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.encaps import generate_frames

from hbimg.errors import UnreadableFileError
from hbimg.ingest.dicom import header_json, is_dicom, read_facts
from hbimg.ingest.dicom.header import read_header
from hbimg.testing.dicom_series import SyntheticSeries, write_series

IMPLICIT, EXPLICIT, BIG, DEFLATED = (f"1.2.840.10008.1.2{tail}" for tail in ("", ".1", ".2", ".1.99"))
RLE = "1.2.840.10008.1.2.5"


def shipped(name):
    from pathlib import Path

    path = get_testdata_file(name, download=False)
    assert path, f"pydicom no longer ships {name}"
    return Path(path)


def one_file(folder, syntax=EXPLICIT, **tags):
    return write_series(folder, SyntheticSeries(planes=1, transfer_syntax=syntax), **tags)[0]


def without_preamble(path, *, keep_meta):
    """Take the preamble off, and the file meta information too."""
    data = path.read_bytes()
    meta_length = struct.unpack_from("<L", data, 140)[0]
    path.write_bytes(data[132:] if keep_meta else data[144 + meta_length :])
    return path


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG])
@pytest.mark.parametrize("keep_meta", [True, False])
def test_files_without_preamble_are_read(tmp_path, syntax, keep_meta):
    path = without_preamble(one_file(tmp_path, syntax), keep_meta=keep_meta)
    assert is_dicom(path.read_bytes()[:512])
    facts = read_facts(path)
    assert facts.transfer_syntax == syntax
    assert (facts.rows, facts.columns, facts.position_mm) == (12, 10, (-40.0, -50.0, -60.0))
    samples = path.read_bytes()[facts.run.offset : facts.run.offset + facts.run.length]
    order = "<" if facts.little_endian else ">"
    np.testing.assert_array_equal(np.frombuffer(samples, f"{order}u2").reshape(12, 10), SyntheticSeries().pixels(0))


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG])
def test_native_pixels_are_found_where_pydicom_finds_them(tmp_path, syntax):
    path = one_file(tmp_path, syntax)
    run = read_facts(path).run
    assert (run.count, run.length) == (1, 240)
    assert path.read_bytes()[run.offset : run.offset + run.length] == pydicom.dcmread(path).PixelData


def test_a_compressed_frame_is_the_span_of_its_fragments(tmp_path):
    path = one_file(tmp_path, RLE)
    run, data = read_facts(path).run, path.read_bytes()
    span = data[run.offset : run.offset + run.length]
    tag, length = span[:4], struct.unpack_from("<L", span, 4)[0]
    assert tag == b"\xfe\xff\x00\xe0"
    assert length == run.length - 8
    assert span[8:] == next(generate_frames(pydicom.dcmread(path).PixelData, number_of_frames=1))
    assert data[run.offset + run.length :][:8] == b"\xfe\xff\xdd\xe0\0\0\0\0"


def test_trailing_padding_stays_outside_of_the_frame():
    path = shipped("MR_small_padded.dcm")
    facts = read_facts(path)
    assert facts.run.length == 64 * 64 * 2
    assert facts.run.offset + facts.run.length < facts.size_bytes


@pytest.mark.parametrize("name", ["MR_small.dcm", "MR_small_RLE.dcm", "test-SR.dcm", "rtplan.dcm", "CT_small.dcm"])
def test_facts_agree_with_pydicom(name):
    path = shipped(name)
    facts, dataset = read_facts(path), pydicom.dcmread(path)
    assert facts.sop_instance == dataset.get("SOPInstanceUID", "")
    assert facts.series_uid == dataset.get("SeriesInstanceUID", "")
    assert facts.rows == dataset.get("Rows")
    assert facts.patient_id == dataset.get("PatientID", "")
    assert facts.instance_number == dataset.get("InstanceNumber")
    assert facts.has_pixels == ("PixelData" in dataset)
    assert (list(facts.position_mm) if facts.position_mm else None) == dataset.get("ImagePositionPatient")


def test_every_file_that_pydicom_ships_agrees_or_is_named():
    """Our walk over elements against pydicom's reader, on odd files from many writers."""
    root = shipped("MR_small.dcm").parent
    compared, refused = 0, []
    for path in sorted(root.rglob("*")):
        if not path.is_file() or not is_dicom(path.read_bytes()[:512]):
            continue
        try:
            facts = read_facts(path)
        except UnreadableFileError as error:
            refused.append(str(error))
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset = pydicom.dcmread(path, force=True, stop_before_pixels=True)
            assert facts.rows == dataset.get("Rows"), path
            assert facts.sop_instance == (dataset.get("SOPInstanceUID") or ""), path
            assert facts.bits_allocated == dataset.get("BitsAllocated"), path
            assert facts.photometric == (dataset.get("PhotometricInterpretation") or ""), path
        compared += 1
    assert compared > 100
    # TINY_ALPHA is a series without its pixels.
    assert len([words for words in refused if "TINY_ALPHA" not in words]) < 15
    assert all(str(root) in words and "\n" not in words for words in refused)


def test_facts_travel_between_processes(tmp_path):
    facts = read_facts(one_file(tmp_path))
    assert pickle.loads(pickle.dumps(facts)) == facts


def test_texts_in_other_character_sets(tmp_path):
    path = one_file(tmp_path, SpecificCharacterSet="ISO_IR 192", ProtocolName="Schädel längs")
    assert read_facts(path).protocol_name == "Schädel längs"


def test_the_frame_of_a_deflated_file_is_found_in_its_unpacked_form(tmp_path):
    path = one_file(tmp_path, DEFLATED)
    facts, data = read_facts(path), path.read_bytes()
    start = facts.packing["start"]
    unpacked = data[:start] + zlib.decompress(data[start:], -zlib.MAX_WBITS)
    assert (facts.transfer_syntax, facts.rows, facts.size_bytes) == (DEFLATED, 12, len(data))
    samples = unpacked[facts.run.offset : facts.run.offset + facts.run.length]
    assert samples == SyntheticSeries().pixels(0).tobytes()


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, RLE, DEFLATED])
def test_a_file_cut_anywhere_is_named(tmp_path, syntax):
    path = one_file(tmp_path, syntax)
    # The last byte of a deflated file only makes its length even (PS3.5, A.5): without it nothing is lost.
    whole = path.read_bytes()[: -1 if syntax == DEFLATED else None]
    read_facts(path)
    cut = tmp_path / "cut.dcm"
    for size in [*range(0, len(whole) - 1, 7), len(whole) - 1]:
        cut.write_bytes(whole[:size])
        with pytest.raises(UnreadableFileError, match=r"cut\.dcm") as caught:
            read_facts(cut)
        assert "\n" not in str(caught.value)


def test_a_cut_file_says_how_much_is_missing(tmp_path):
    path = one_file(tmp_path)
    size = path.stat().st_size
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UnreadableFileError, match=f"reach to byte {size:,}, the file ends at byte {size - 100:,}"):
        read_facts(path)


def test_fewer_pixels_than_promised(tmp_path):
    path = one_file(tmp_path, Rows=1000)
    with pytest.raises(UnreadableFileError, match=r"1 x 1000 rows x 10 columns x 1 x 16 bits need 20,000 bytes"):
        read_facts(path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"patient notes, no image\n" * 40,
        b"\x08\x00",
        b"\0" * 600,
        b"<html>" * 100,
        b"\x08\x00\x05\x00" + b"z" * 600,
    ],
)
def test_what_is_no_dicom(tmp_path, content):
    path = tmp_path / "scan.dcm"
    path.write_bytes(content)
    assert not is_dicom(content[:512])
    with pytest.raises(UnreadableFileError, match=r"no DICOM file|is empty"):
        read_facts(path)


def test_an_absent_file_is_named(tmp_path):
    with pytest.raises(UnreadableFileError, match=r"absent\.dcm cannot be read: No such file"):
        read_facts(tmp_path / "absent.dcm")


def test_a_huge_length_asks_for_no_memory(tmp_path):
    path = tmp_path / "huge.dcm"
    path.write_bytes(b"\0" * 128 + b"DICM" + b"\x08\x00\x05\x00UN\0\0" + struct.pack("<L", 0xFFFFFFF0) + b"x" * 64)
    with pytest.raises(UnreadableFileError, match=r"an element reaches to byte 4,294,967"):
        read_facts(path)


def test_sequences_nested_without_end(tmp_path):
    path = tmp_path / "deep.dcm"
    begin = b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    path.write_bytes(b"\0" * 128 + b"DICM" + begin * 100_000)
    with pytest.raises(UnreadableFileError, match=r"deep\.dcm"):
        read_facts(path)


def test_damaged_bytes_never_escape_the_tree_of_errors(tmp_path):
    """Random bytes, changed and cut, in files of every kind."""
    chance = random.Random(20240501)
    sources = [shipped(name).read_bytes() for name in ("MR_small_RLE.dcm", "MR_small_implicit.dcm", "test-SR.dcm")]
    sources += [one_file(tmp_path, DEFLATED).read_bytes(), b"\0" * 128 + b"DICM" + chance.randbytes(3000)]
    path = tmp_path / "damaged.dcm"
    read, refused = 0, []
    for _ in range(600):
        data = bytearray(chance.choice(sources))
        for _ in range(chance.choice((1, 3, 10))):
            data[chance.randrange(min(len(data), 2000))] = chance.choice((0, 255, chance.randrange(256)))
        path.write_bytes(data[: chance.choice((len(data), chance.randrange(len(data))))])
        try:
            read_facts(path)
            read += 1
        except UnreadableFileError as error:
            refused.append(str(error))
    assert read > 50
    assert len(refused) > 50
    assert not [words for words in refused if "\n" in words]


def test_header_has_values_but_no_persons_and_no_bulk(tmp_path):
    path = one_file(tmp_path)
    dataset = pydicom.dcmread(path)
    dataset.ReferringPhysicianName = "Somebody^Else"
    inner = pydicom.Dataset()
    inner.OtherPatientNames = "Nobody^Again"
    inner.CodeMeaning = "kept"
    dataset.RequestAttributesSequence = [inner]
    dataset.add_new(0x00091001, "OB", b"x" * 5000)
    dataset.add_new(0x00091002, "OB", b"y" * 10)
    dataset.save_as(path)
    header = header_json(path)
    assert header["00080060"] == {"vr": "CS", "Value": ["MR"]}
    assert header["00400275"]["Value"] == [{"00080104": {"vr": "LO", "Value": ["kept"]}}]
    assert "00091002" in header
    assert not {"00091001", "7FE00010", "00100010", "00080090"} & set(header)
    assert "Nobody" not in str(header)
    assert "Somebody" not in str(header)


def test_an_odd_element_is_left_out_and_named():
    header, remarks = read_header(shipped("badVR.dcm"))
    assert header["00100020"]["Value"] == ["id11111"]
    assert remarks == ("badVR.dcm: left out of the header, as unreadable: (0028,0008)",)


def test_reading_says_nothing_by_itself(capfd):
    for name in ("badVR.dcm", "MR_small_bigendian.dcm", "rtstruct.dcm"):
        read_facts(shipped(name))
        read_header(shipped(name))
    assert capfd.readouterr() == ("", "")
