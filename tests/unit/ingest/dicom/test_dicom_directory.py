"""A DICOMDIR as a list: given by itself it stands for the files that it names; in a folder it says what is missing."""

from __future__ import annotations

import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset

from hbimg.errors import UnreadableFileError
from hbimg.ingest.dicom.directory import listed_files
from hbimg.ingest.discover import Kind, discover
from hbimg.testing.dicom_series import SyntheticSeries, write_series


def directory(folder, names):
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.1.3.10"
    dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    dataset.FileSetID = "DISC"
    records = []
    for name in [None, *names]:
        record = Dataset()
        record.DirectoryRecordType = "IMAGE" if name else "PATIENT"
        if name:
            record.ReferencedFileID = list(name)
        records.append(record)
    dataset.DirectoryRecordSequence = records
    folder.mkdir(exist_ok=True)
    pydicom.dcmwrite(folder / "DICOMDIR", dataset, enforce_file_format=True)
    return folder / "DICOMDIR"


@pytest.fixture
def disc(tmp_path):
    """A disc of five files, of which four are named in another case, and one that is not there."""
    folder = tmp_path / "disc"
    for number, path in enumerate(write_series(folder / "im", SyntheticSeries(planes=5))):
        path.rename(path.with_name(f"i{number}"))
    return directory(folder, [("IM", f"I{number}") for number in range(4)] + [("IM", "GONE"), ("UP", "X")])


def test_what_it_names(disc):
    found = listed_files(disc)
    assert [path.name for path in found.there] == [f"i{n}" for n in range(4)]
    assert found.absent == ("IM/GONE", "UP/X")


def test_given_by_itself_it_stands_for_its_files(disc):
    assert [found.name for found in discover([disc])] == ["DICOMDIR", *(f"im/i{n}" for n in range(4))]
    assert {found.kind for found in discover([disc])} == {Kind.DICOM}


def test_in_a_folder_it_says_what_is_not_there(hbimg, disc):
    said = hbimg("ingest", disc.parent, "--table", "t")
    assert "a DICOMDIR" in said.line_with("set aside: ")
    key = next(item["key"] for item in hbimg("ls", "--table", "t", "--json").json if item["kind"] == "series")
    assert "it names 6 files, of which 2 are not there: IM/GONE, UP/X" in hbimg("show", "--table", "t", key).out


def test_a_broken_one_is_named(disc):
    data = disc.read_bytes()
    for end in range(400, len(data) - 8, 37):
        disc.write_bytes(data[:end])
        with pytest.raises(UnreadableFileError, match=r"disc.DICOMDIR is a broken DICOMDIR"):
            listed_files(disc)
        list(discover([disc]))


def test_a_name_that_leads_out_is_not_followed(disc):
    from hbimg.ingest.dicom.directory import _below

    assert _below(disc.parent / "im", ("..", "DICOMDIR")) is None
    assert _below(disc.parent, ("IM", "I0")) == disc.parent / "im" / "i0"
