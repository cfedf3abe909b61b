"""A BIDS data set with pictures in it, into HBase and out as the same tree; jobs on both kinds of frames."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import nibabel.testing
import numpy as np
import pytest
from PIL import Image

from hbimg.store import open_store

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]


def hbimg(*arguments):
    """Run hbimg in a process of its own; its standard output."""
    done = subprocess.run(["hbimg", *map(str, arguments)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"hbimg {arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def tree(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture
def dataset(tmp_path):
    folder = tmp_path / "ds"
    texts = {
        "dataset_description.json": '{"Name": "small", "BIDSVersion": "1.10.0"}',
        "participants.tsv": "participant_id\nsub-01\n",
        "sub-01/func/sub-01_task-rest_bold.json": '{"TaskName": "rest"}',
        "sub-01/func/sub-01_task-rest_events.tsv": "onset\tduration\n",
        "sub-01/sub-01_scans.tsv": "filename\n",
        "derivatives/x/dataset_description.json": "{}",
    }
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    images = Path(nibabel.testing.data_path)
    shutil.copy(images / "example4d.nii.gz", folder / "sub-01/func/sub-01_task-rest_bold.nii.gz")
    (folder / "derivatives/x/sub-01").mkdir()
    shutil.copy(images / "anatomical.nii", folder / "derivatives/x/sub-01/sub-01_T1w.nii")
    (folder / "stimuli").mkdir()
    for number in range(120):
        pixels = np.random.default_rng(number).integers(0, 256, (64, 48, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"stimuli/{number}.{'jpg' if number % 2 else 'ppm'}")
    return folder


def test_a_data_set_with_pictures_comes_back_from_hbase(cluster, dataset, table_name, tmp_path):
    url = f"hbase://{cluster.head}"
    where = ["--store", url, "--table", table_name]
    try:
        hbimg("ingest", dataset, *where, "--package", "50", "--workers", "2")
        listed = {item["key"].partition("/")[2]: item for item in json.loads(hbimg("ls", *where, "--json"))}
        assert {key: item["frames"] for key, item in listed.items() if "stimuli" in key} == {
            "-/-/stimuli.pictures-0001": 50,
            "-/-/stimuli.pictures-0002": 50,
            "-/-/stimuli.pictures-0003": 20,
        }
        hbimg("verify", *where)
        hbimg("run", "stats", *where, "--engine", "local")
        report = json.loads(hbimg("run", "compress", *where, "--engine", "local", "--json"))["report"]
        assert report["volumes"]["done"] == 2
        assert report["skipped"]["files beside images"] == 3
        hbimg("export", *where, "--bids", "--to", tmp_path / "out")
        assert tree(tmp_path / "out") == tree(dataset)
    finally:
        with open_store(url) as store:
            if table_name in store.tables():
                store.drop_table(table_name)
