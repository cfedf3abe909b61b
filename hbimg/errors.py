"""One tree of errors: every failure that hbimg reports is one of these.

A message names the thing, the value and the fix, on one line, and never a patient's name. The command line catches
`HbimgError` once, prints the message on stderr and exits with 1. `tests/unit/test_errors.py` holds this drawing to
the code::

    HbimgError
    ├── ConfigError                  a setting, option, URL or config file is wrong
    │   └── ParameterError           a parameter of the performance model or of a job is out of its range
    ├── RowKeyError                  a text cannot be a key, or bytes are not a key of ours
    ├── StoreError                   the store cannot do what was asked
    │   ├── StoreUnavailableError    nothing answers, or it answers nonsense
    │   ├── StoreBusyError           another process writes and did not finish in time
    │   │   └── VolumeBusyError      another process writes this volume
    │   ├── StoreFullError           no space left
    │   ├── StorePermissionError     the store or the file system says no
    │   ├── NetworkFileSystemError   an embedded store may not lie on NFS, Lustre, ...
    │   ├── TableNotFoundError       no such table
    │   ├── TableExistsError         the table is there already, with other settings
    │   ├── TableFormatError         the table is not hbimg's, or was written with another scheme
    │   ├── CellTooLargeError        a value is above the store's limit
    │   └── CorruptCellError         a cell's checksum does not agree with its bytes
    ├── VolumeError                  a volume in a table
    │   ├── VolumeNotFoundError      no such volume, result or run
    │   ├── VolumeChangedError       the volume was replaced or removed while it was read
    │   ├── KeyClashError            different content claims one key
    │   └── ClaimLostError           another process took the volume over
    ├── IngestError                  an input file or series cannot be stored
    │   ├── UnreadableFileError      a file cannot be read, or is not what it says
    │   │   └── TooManyPixelsError   a picture promises more pixels than are ever decoded
    │   └── IncompleteSeriesError    planes are missing, doubled or unevenly spaced
    ├── JobError                     a job cannot start, or its run failed
    │   ├── VolumeFailedError        the job failed on one volume
    │   └── JobInterruptedError      the user stopped the run
    └── ExportError                  an output cannot be written
        └── NoPlaceError             a volume has no place in the data set that is written
"""

from __future__ import annotations


class HbimgError(Exception):
    """Root of all errors that hbimg raises on purpose."""


class ConfigError(HbimgError, ValueError):
    """A setting, option, URL or config file is wrong."""


class ParameterError(ConfigError):
    """A parameter of the performance model or of a job is out of its range."""


class RowKeyError(HbimgError, ValueError):
    """A text cannot be a key, or bytes are not a key of ours."""


class StoreError(HbimgError):
    """The store cannot do what was asked."""


class StoreUnavailableError(StoreError, ConnectionError):
    """Nothing answers, or it answers nonsense."""


class StoreBusyError(StoreError):
    """Another process writes and did not finish in time."""


class VolumeBusyError(StoreBusyError):
    """Another process writes this volume."""


class StoreFullError(StoreError):
    """No space is left for what was to be written."""


class StorePermissionError(StoreError, PermissionError):
    """The store or the file system says no."""


class NetworkFileSystemError(StoreError):
    """An embedded store may not lie on a network file system."""


class TableNotFoundError(StoreError, LookupError):
    """There is no such table."""


class TableExistsError(StoreError):
    """The table is there already, with other settings."""


class TableFormatError(StoreError):
    """The table is not hbimg's, or was written with another scheme."""


class CellTooLargeError(StoreError):
    """A value is above the store's limit."""


class CorruptCellError(StoreError):
    """A cell's checksum does not agree with its bytes."""


class VolumeError(HbimgError):
    """Something is wrong with a volume in a table."""


class VolumeNotFoundError(VolumeError, LookupError):
    """There is no such volume, result or run."""


class VolumeChangedError(VolumeError):
    """The volume was replaced or removed while it was read."""


class KeyClashError(VolumeError):
    """Different content claims one key."""


class ClaimLostError(VolumeError):
    """Another process took the volume over."""


class IngestError(HbimgError):
    """An input file or series cannot be stored."""


class UnreadableFileError(IngestError):
    """A file cannot be read, or is not what it says."""


class TooManyPixelsError(UnreadableFileError):
    """A picture promises more pixels than are ever decoded: it may be a bomb."""


class IncompleteSeriesError(IngestError):
    """Planes of a series are missing, doubled or unevenly spaced."""


class JobError(HbimgError):
    """A job cannot start, or its run failed."""


class VolumeFailedError(JobError):
    """The job failed on one volume; the rest goes on."""


class JobInterruptedError(JobError):
    """The user stopped the run."""


class ExportError(HbimgError):
    """An output cannot be written."""


class NoPlaceError(ExportError):
    """A volume has no place in the data set that is written, and is left out."""
