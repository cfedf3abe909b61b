"""What kind of file system a folder lies on: LMDB maps its file into memory and must not lie on a network one.

On NFS, Lustre and their like, maps are not coherent between machines and locks may be local, so two users of a store
would silently destroy it; labs' home folders are there, so hbimg looks and refuses.
"""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

from hbimg.errors import NetworkFileSystemError

_NETWORK = re.compile(
    r"(nfs\d?|cifs|smb\d?|smbfs|lustre|gpfs|mmfs|beegfs|fhgfs|ceph|glusterfs|afs|auristorfs|9p|ncpfs|orangefs|pvfs2"
    r"|panfs|wekafs|virtiofs|davfs2?|vboxsf|coda"
    r"|fuse\.(sshfs|glusterfs|ceph-fuse|ceph|s3fs|gcsfuse|rclone|juicefs|mfs|moosefs|lizardfs|nfs.*|smb.*|goofys"
    r"|beegfs|davfs2?|hdfs|fuse_dfs|curlftpfs|gvfsd-fuse|blobfuse2?|vmhgfs-fuse|grpcfuse|seaweedfs|weed|lustre|s3backer"
    r"|mount-s3|mountpoint-s3))\Z"
)
_MOUNTINFO = Path("/proc/self/mountinfo")


def file_system_type(path: Path, mountinfo: str | None = None) -> str:
    """Give the type of the file system that a path lies on, as Linux calls it; the path need not exist yet.

    `mountinfo` is the text of ``/proc/self/mountinfo``; by default it is read. Where there is none (not Linux), the
    answer is ``unknown``.
    """
    target = str(path.resolve())
    with suppress(OSError):  # looking inside makes an automounter mount what belongs here, before the mounts are read
        (path / "data.mdb").lstat()
    if mountinfo is None:
        if not _MOUNTINFO.exists():
            return "unknown"
        mountinfo = _MOUNTINFO.read_text(errors="surrogateescape")
    best, kind = "", "unknown"
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        mount_point = _unescape(before.split()[4])
        inside = mount_point == "/" or target == mount_point or target.startswith(mount_point + "/")
        if inside and len(mount_point) >= len(best):  # a later mount on the same place hides the earlier one
            best, kind = mount_point, after.split()[0]
    return kind


def refuse_network_file_system(path: Path) -> None:
    """Raise NetworkFileSystemError if a path lies on a network file system."""
    kind = file_system_type(path)
    if _NETWORK.match(kind):
        raise NetworkFileSystemError(
            f"{path} lies on a network file system ({kind}): an embedded store is mapped into memory and would be "
            "damaged there; give a folder on a local disk with --store local:///scratch/... or HBIMG_STORE"
        )


def _unescape(text: str) -> str:
    """Undo the kernel's octal escapes of space, tab, newline and backslash in a mount point."""
    return re.sub(r"\\([0-7]{3})", lambda m: chr(int(m[1], 8)), text)
