"""Strip what names a person, an institution or a device from what dcm2niix wrote.

dcm2niix's own ``-ba y`` removes the patient's name and birth date, but keeps the tags listed here.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

#: Keys of a BIDS sidecar that are removed. Manufacturer, model and software stay: analyses depend on them.
STRIPPED_KEYS = frozenset(
    {
        # persons
        "PatientName", "PatientID", "PatientBirthDate", "PatientComments", "OtherPatientIDs", "OtherPatientNames",
        "PatientAddress", "PatientTelephoneNumbers", "MilitaryRank", "ResponsiblePerson",
        "OperatorsName", "PerformingPhysicianName", "ReferringPhysicianName", "RequestingPhysician",
        "PhysiciansOfRecord", "NameOfPhysiciansReadingStudy", "ScheduledPerformingPhysicianName",
        # institutions
        "InstitutionName", "InstitutionAddress", "InstitutionalDepartmentName", "InstitutionCodeSequence",
        "InstitutionalDepartmentTypeCodeSequence",
        # devices
        "DeviceSerialNumber", "StationName", "DeviceUID", "DetectorID", "GantryID", "PlateID", "CassetteID",
        "GeneratorID", "DeviceID",
        # free text that a user typed, and numbers that lead back to a person
        "StudyDescription", "ProcedureStepDescription", "PerformedProcedureStepDescription",
        "RequestedProcedureDescription", "ImageComments", "StudyComments", "AccessionNumber", "StudyID",
        "AdmissionID", "RequestAttributesSequence", "StudyInstanceUID", "SeriesInstanceUID",
    }
)  # fmt: skip

#: Texts in a NIfTI-1 header that dcm2niix fills from free text: (first byte, length) of db_name and aux_file.
_NIFTI1_TEXTS = ((14, 18), (228, 24))
_NIFTI1_HEADER_BYTES = 348


def stripped_sidecar(text: bytes) -> bytes:
    """Give a JSON sidecar without the keys of `STRIPPED_KEYS`, at any depth."""
    kept = _without(json.loads(text.decode(errors="replace")))
    return (json.dumps(kept, indent="\t", ensure_ascii=False) + "\n").encode()


def _without(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without(item) for key, item in value.items() if key not in STRIPPED_KEYS}
    if isinstance(value, list):
        return [_without(item) for item in value]
    return value


def blank_header_texts(nifti: npt.NDArray[np.uint8]) -> None:
    """Blank the free texts in the header of a NIfTI-1 file, in place."""
    if len(nifti) >= _NIFTI1_HEADER_BYTES and int.from_bytes(nifti[:4].tobytes(), "little") == _NIFTI1_HEADER_BYTES:
        for start, length in _NIFTI1_TEXTS:
            nifti[start : start + length] = 0
