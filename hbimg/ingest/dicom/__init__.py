"""The classic DICOM reader: facts of each file, files grouped into series, planes put in order, geometry."""

from __future__ import annotations

from hbimg.ingest.dicom.facts import DicomFacts, examine, is_dicom, read_facts
from hbimg.ingest.dicom.header import header_json
from hbimg.ingest.dicom.series import candidates

__all__ = ["DicomFacts", "candidates", "examine", "header_json", "is_dicom", "read_facts"]
