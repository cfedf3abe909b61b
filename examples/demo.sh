#!/bin/bash
# hbimg's main job on real images, from files to results, in a folder of its own: nothing else is touched.
#
#   examples/demo.sh FOLDER [IMAGES]
#
# IMAGES is a folder of DICOM and NIfTI files. By default it is filled with real ones that pydicom and nibabel ship.
set -euo pipefail
[ $# -ge 1 ] || { echo "usage: examples/demo.sh FOLDER [IMAGES]" >&2; exit 2; }
folder=$(realpath -m "$1")
images=$(realpath -m "${2:-$folder/images}")
mkdir -p "$folder"
rm -rf "$folder/store" "$folder/originals" "$folder/compressed" "$folder/nifti"
export HBIMG_STORE="local://$folder/store"

run() { printf '\n$ %s\n' "$*"; "$@"; }

if [ ! -d "$images" ]; then
  python3 - "$images" <<'PYTHON'
import shutil, sys
from pathlib import Path
import nibabel, pydicom

target = Path(sys.argv[1])
dicom = Path(pydicom.__file__).parent / "data/test_files/dicomdirtests"
nifti = Path(nibabel.__file__).parent / "tests/data"
shutil.copytree(dicom, target / "dicom")
(target / "nifti").mkdir()
for name in ("anatomical.nii", "functional.nii", "example4d.nii.gz", "example_nifti2.nii.gz"):
    shutil.copy(nifti / name, target / "nifti")
PYTHON
fi

# Series that are refused or set aside are said on stderr, with the reason; they are no failure of the demo.
run hbimg ingest "$images" --table demo || [ $? = 1 ]
run hbimg ls --table demo
run hbimg run compress --table demo
run hbimg run dicom2nifti --table demo
run hbimg export --table demo --to "$folder/originals"
run hbimg export --table demo --result compress --to "$folder/compressed"
run hbimg export --table demo --result dicom2nifti --to "$folder/nifti"
run hbimg verify --table demo

# Every original came back byte for byte: each exported file is one of those that went in.
sums() { find "$1" -type f -exec sha256sum {} + | cut -d' ' -f1 | sort -u; }
exported=$(sums "$folder/originals" | wc -l)
unknown=$(comm -23 <(sums "$folder/originals") <(sums "$images") | wc -l)
printf '\n%s different originals exported, %s of them not among the files that went in\n' "$exported" "$unknown"
printf 'originals, compressed and nifti are in %s\n' "$folder"
[ "$unknown" = 0 ]
