"""Names for the key from DICOM headers. A patient's name is never one of them."""

from __future__ import annotations

import re

from hbimg.ingest.candidates import Names
from hbimg.ingest.dicom.facts import DicomFacts


def names_of(facts: DicomFacts, suffix: str = "") -> Names:
    """Name subject, session and scan.

    The subject is the patient id; the session the study's date, as people call a visit (two studies of one day whose
    scans clash are refused when they are stored: give a session then); the scan the series number and the protocol's
    name, else the series' description, and `suffix` where a series was divided.
    """
    # Blanks and signs of a free text become one underscore: the number tells scans apart, and names stay legible.
    title = re.sub(r"[^A-Za-z0-9.-]+", "_", facts.protocol_name or facts.series_description or "").strip("_")
    number = f"{facts.series_number:03d}" if facts.series_number is not None and facts.series_number >= 0 else ""
    scan = "-".join(part for part in (number, title) if part)
    if not scan:
        # The end of the UID is what differs between the series of a study.
        scan = f"series-{facts.series_uid[-12:]}" if facts.series_uid else facts.path.stem
    return Names(
        project=None,
        subject=facts.patient_id or None,
        session=facts.study_date.replace(".", "") or facts.study_id or None,
        scan=scan + suffix,
    )
