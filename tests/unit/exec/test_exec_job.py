"""`hbimg run exec` as a user sees it: what goes in, what comes out, what is current, what fails and how it is told."""

from __future__ import annotations

import gzip
import io
import json
import re
import shlex
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from hbimg.cli import cli
from hbimg.errors import HbimgError
from hbimg.mapreduce.local import run_inline, run_processes
from hbimg.model import VolumeKey
from hbimg.store import open_store
from hbimg.testing.dicom_series import SAGITTAL, SyntheticSeries, write_series
from hbimg.testing.volumes import nifti_content, smooth_voxels
from hbimg.volumes import VolumeTable, entries, read_artefact, store_content
from hbimg.volumes.verify import orphans

KEY = VolumeKey("made", "sub-1", "-", "T1w")
VOXELS = np.maximum(smooth_voxels((16, 12, 5), seed=3), 0)
ENGINE = "hbimg.mapreduce.run.run_processes"


class Home:
    """A store with one NIfTI volume, and the command line on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = f"local://{folder}/store"
        with open_store(self.url) as store:
            volumes = VolumeTable.create(store, "t")
            store_content(volumes, nifti_content(KEY, VOXELS, slope=2.0, intercept=-10.0))

    def add_dicom(self, series: SyntheticSeries, **elements: object) -> None:
        write_series(self.folder / "dicom", series, **elements)
        self.run("ingest", str(self.folder / "dicom"), "--table", "d")

    def run(self, *arguments: str, code: int = 0):
        done = CliRunner().invoke(cli, [*arguments, "--store", self.url] if arguments[0] != "run" else arguments)
        if done.exception and not isinstance(done.exception, (HbimgError, SystemExit)):
            raise done.exception
        assert done.exit_code == code, done.output
        return done

    def exec(self, *words: str, options: str = "", table: str = "t", code: int = 0, workers: str = "1"):
        common = ["--table", table, "--store", self.url, "--json", "-w", workers, *shlex.split(options)]
        done = self.run("run", "exec", *common, "--", *words, code=code)
        return json.loads(done.stdout)["report"] if done.stdout else done

    def failure(self, *words: str, options: str = "") -> str:
        (failed,) = self.exec(*words, options=options, code=1)["failed"]
        assert "\n" not in failed["reason"]
        with open_store(self.url) as store:  # nothing half is left
            assert list(orphans(VolumeTable.open(store, "t"))) == []
        return failed["reason"]

    def made(self, name: str = "exec", table: str = "t") -> dict[str, bytes]:
        with open_store(self.url) as store:
            volumes = VolumeTable.open(store, table)
            return {
                artefact.name: b"".join(read_artefact(volumes, manifest, artefact))
                for _, manifests in entries(volumes)
                for manifest in manifests
                if manifest.name == name
                for artefact in manifest.artefacts
            }


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setattr(ENGINE, run_inline)  # in this process: workers would cost half a second each time
    work = tmp_path / "a folder with blanks"
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.delenv("HBIMG_STORE", raising=False)
    return Home(tmp_path)


def python(program: str) -> tuple[str, str, str]:
    return (sys.executable, "-c", program)


def test_the_example_of_the_help(home):
    report = home.exec("cp", "{input}", "{output:copy.nii}")
    assert report["volumes"] == {"done": 1, "current": 0, "skipped": 0, "failed": 0}
    image = nibabel.Nifti1Image.from_bytes(home.made()["copy.nii"])
    assert np.array_equal(image.dataobj.get_unscaled(), VOXELS)
    home.run("export", "--table", "t", "--result", "exec", "--to", str(home.folder / "out"))
    (path,) = [path for path in (home.folder / "out").rglob("*") if path.is_file()]
    assert path.relative_to(home.folder / "out").as_posix() == "made/sub-1/-/T1w/copy.nii"


def test_quoting_and_odd_words(home):
    odd = ["two words", "", "$HOME; exit 1", "it's", '"', "new\nline", "\\", "*", "é{scan}é", "{key}"]
    program = "import sys, json, pathlib; pathlib.Path(sys.argv[1]).write_text(json.dumps(sys.argv[2:]))"
    home.exec(*python(program), "{output:words.json}", *odd, "{input}")
    expected = [*odd[:-2], "éT1wé", str(KEY), "in/T1w.nii"]
    assert json.loads(home.made()["words.json"]) == expected


def test_a_pipe_in_a_shell_and_several_outputs(home):
    script = "gzip -nc < {input} > {output} && wc -c < {input} > {output:size.txt}"
    home.exec("sh", "-c", script)
    made = home.made()
    assert sorted(made) == ["T1w.nii.gz", "size.txt"]
    assert int(made["size.txt"]) == len(gzip.decompress(made["T1w.nii.gz"])) == 352 + VOXELS.nbytes


def test_an_output_folder_with_folders_in_it(home):
    home.exec(
        "sh",
        "-c",
        "cd {outdir}; mkdir -p a/b; echo 1 > a/b/x; echo 2 > y; ln -s y z; chmod 0 a # {input}",
    )
    assert home.made() == {"a/b/x": b"1\n", "y": b"2\n", "z": b"2\n"}
    home.run("export", "--table", "t", "--result", "exec", "--to", str(home.folder / "out"))
    assert (home.folder / "out/made/sub-1/-/T1w/a/b/x").read_text() == "1\n"


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("ln -s /etc/passwd {outdir}/x # {input}", "x among the outputs is no file, or a link to elsewhere"),
        ("ln -s ../in {outdir}/x # {input}", "x among the outputs is no file, or a link to elsewhere"),
        ("mkfifo {outdir}/x # {input}", "x among the outputs is no file"),
        ("true {input} {outdir}", "gave no artefact"),
        ("true {input} {output:a.txt}", "did not write a.txt; it wrote nothing"),
        ("echo 1 > {output:a.txt}; true {input} {output:b.txt}", "did not write b.txt; it wrote a.txt"),
        ("echo 'no such atlas' >&2; exit 4 # {input} {output}", "sh ended with status 4: no such atlas"),
        ("kill -9 $$ # {input} {output}", "sh was killed by SIGKILL"),
    ],
)
def test_a_command_that_fails_stores_nothing_and_says_why(home, script, words):
    assert words in home.failure("sh", "-c", script)
    assert home.made() == {}


def test_limits(home):
    assert "did not end in 1 s" in home.failure("sh", "-c", "sleep 600 # {input} {output}", options="--timeout 1s")
    hungry = "import sys; block = bytearray(400 << 20)"
    reason = home.failure(*python(hungry), "{input}", "{output}", options="--memory-limit 200MB")
    assert "its limit is 200,000,000 bytes of memory" in reason


def test_a_failing_command_leaves_an_older_result_alone(home):
    home.exec("cp", "{input}", "{output:copy.nii}")
    before = home.made()
    home.failure("sh", "-c", "echo half > {output:copy.nii}; exit 1 # {input}")
    assert home.made() == before


def test_results_are_current_until_command_script_or_environment_change(home):
    script = Path("count.py")
    script.write_text("import sys, os; open(sys.argv[2], 'w').write(os.environ.get('UNIT', 'B'))")
    words = (sys.executable, "count.py", "{input}", "{output:n.txt}")

    def state(options: str = "", more: tuple[str, ...] = ()) -> str:
        counts = home.exec(*words, *more, options=f"--with count.py {options}")["volumes"]
        return next(name for name, count in counts.items() if count)

    assert state() == "done"
    assert state() == "current"
    assert state("--timeout 5m --memory-limit 1GB") == "current"  # limits do not change what is made
    assert state("--tool-version 2") == "done"
    assert state("--env UNIT=kB") == "done"
    assert home.made()["n.txt"] == b"kB"
    assert state("--env UNIT=kB") == "current"
    assert state("--env UNIT=kB", ("more",)) == "done"
    script.write_text(script.read_text() + " # changed")
    assert state("--env UNIT=kB", ("more",)) == "done"
    assert state("--env UNIT=kB --result-name other", ("more",)) == "done"


def test_a_script_that_can_be_run(home):
    Path("tool.sh").write_text("#!/bin/sh\nwc -c < $1 > $2\n")
    Path("tool.sh").chmod(0o755)
    home.exec("./tool.sh", "{input}", "{output:n}", options="--with tool.sh")
    assert home.made()["n"].strip() == str(352 + VOXELS.nbytes).encode()
    home.exec("./tool.sh", "{input}", "{output:n}", options="--result-name from-here")
    assert home.made("from-here") == home.made()


def test_the_environment_is_the_same_everywhere_and_names_the_volume(home, monkeypatch):
    monkeypatch.setenv("SECRET_TOKEN", "hidden")
    monkeypatch.setenv("FSLDIR", "/opt/fsl")
    program = "import os, json, sys; json.dump(dict(os.environ), open(sys.argv[1], 'w'))"
    home.exec(*python(program), "{output:env.json}", "{input}", options="--env FSLDIR --env N=1=2")
    environment = json.loads(home.made()["env.json"])
    assert "SECRET_TOKEN" not in environment
    assert (environment["FSLDIR"], environment["N"]) == ("/opt/fsl", "1=2")
    assert (environment["HBIMG_KEY"], environment["HBIMG_SCAN"]) == (str(KEY), "T1w")
    assert (environment["TZ"], environment["LC_ALL"], environment["OMP_NUM_THREADS"]) == ("UTC", "C.UTF-8", "1")
    assert Path(environment["HBIMG_INPUT"]).parts[-3:] == ("work", "in", "T1w.nii")
    assert not Path(environment["TMPDIR"]).exists()


def test_what_is_printed_is_kept_where_that_is_asked_for(home):
    home.exec("sh", "-c", "wc -c < {input}; echo words >&2", options="--stdout size.txt --log")
    assert home.made() == {"size.txt": b"%d\n" % (352 + VOXELS.nbytes), "log.txt": b"words\n"}


def test_no_network_unless_it_is_asked_for(home):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        program = f"import socket, sys; socket.create_connection(('127.0.0.1', {port}), 5); open(sys.argv[1], 'w')"
        assert "Error" in home.failure(*python(program), "{output:x}", "{input}")
        home.exec(*python(program), "{output:x}", "{input}", options="--network")
    assert home.made() == {"x": b""}


@pytest.mark.parametrize("form", ["nifti", "nifti.gz"])
@pytest.mark.parametrize("orientation", [None, SAGITTAL])
def test_dicom_as_nifti_is_what_compress_makes(home, form, orientation):
    series = SyntheticSeries(planes=4, orientation=orientation) if orientation else SyntheticSeries(planes=4)
    home.add_dicom(series, MRAcquisitionType="3D")
    suffix = ".nii" if form == "nifti" else ".nii.gz"
    home.exec("cp", "{input}", f"{{output:image{suffix}}}", options=f"--input-as {form}", table="d")
    home.run("run", "compress", "--table", "d", "--store", home.url, "-w", "1")
    (compressed,) = home.made("compress", "d").values()
    (image,) = home.made(table="d").values()
    assert (image if form == "nifti" else gzip.decompress(image)) == gzip.decompress(compressed)


def test_dicom_as_the_folder_of_its_files(home):
    home.add_dicom(SyntheticSeries(planes=4))
    originals = sorted(path.read_bytes() for path in (home.folder / "dicom").rglob("*") if path.is_file())
    home.exec("sh", "-c", "cp {input}/* {outdir}", options="--input-as dicom", table="d")
    made = home.made(table="d")
    assert sorted(made) == [f"{number:06d}.dcm" for number in range(4)]
    assert sorted(made.values()) == originals
    report = home.exec("cp", "{input}", "{output}", options="--input-as dicom --result-name none")
    assert report["skipped"] == {"no DICOM": 1}


def test_once_for_each_frame(home):
    home.exec(
        "cp",
        "{input}",
        "{output:slice.nii}",
        options="--per frame --input-as nifti",
    )
    made = home.made()
    assert sorted(made) == [f"{number:06d}-slice.nii" for number in range(5)]
    for number, data in enumerate(made[name] for name in sorted(made)):
        image = nibabel.Nifti1Image.from_bytes(data)
        assert np.array_equal(image.dataobj.get_unscaled()[..., 0], VOXELS[..., number])
        assert (image.dataobj.slope, image.dataobj.inter) == (2.0, -10.0)
        # The middle of the slice lies where it lies in the volume.
        assert np.allclose(image.affine @ [3, 4, 0, 1], [-3 + 90, 4 - 126, 2 * number - 72, 1])


def test_each_dicom_frame_as_nifti_lies_where_it_was(home):
    series = SyntheticSeries(planes=4, orientation=SAGITTAL)
    home.add_dicom(series)
    home.exec("cp", "{input}", "{output:s.nii}", options="--per frame --input-as nifti", table="d")
    home.exec("cp", "{input}", "{output:v.nii}", options="--input-as nifti --result-name whole", table="d")
    whole = nibabel.Nifti1Image.from_bytes(home.made("whole", "d")["v.nii"])
    slices = [nibabel.Nifti1Image.from_bytes(data) for _, data in sorted(home.made(table="d").items())]
    assert np.array_equal(
        np.concatenate([np.asanyarray(s.dataobj) for s in slices], axis=2), np.asanyarray(whole.dataobj)
    )
    for number, image in enumerate(slices):
        assert np.allclose(image.affine @ [1, 2, 0, 1], whole.affine @ [1, 2, number, 1], atol=1e-4)


def test_each_frame_as_an_image_and_each_file_of_a_series(home):
    home.exec("cp", "{input}", "{output}", options="--per frame --input-as image")
    for number, (_, data) in enumerate(sorted(home.made().items())):
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(data))), VOXELS[..., number].T)
    home.exec("cp", "{input}", "{output}", options="--per frame --input-as image --window 90,1090")
    scaled = np.clip((VOXELS * 2.0 - 10 - 90) / 1000, 0, 1) * 255
    first = np.asarray(Image.open(io.BytesIO(home.made()["000002-T1w.png"])))
    assert np.abs(first - scaled[..., 2].T).max() <= 0.5
    home.add_dicom(SyntheticSeries(planes=3))
    home.exec("cp", "{input}", "{output:f}", options="--per frame", table="d")
    originals = sorted(path.read_bytes() for path in (home.folder / "dicom").rglob("*") if path.is_file())
    assert sorted(home.made(table="d").values()) == originals


def test_a_frame_that_fails_is_named(home):
    script = "test {frame} != 000003 && cp {input} {output:x}"
    assert home.failure("sh", "-c", script, options="--per frame --input-as nifti").startswith("frame 3: sh ended with")
    assert home.made() == {}


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ("--per frame", "its files hold several frames: --input-as nifti or image"),
        ("--input-as image", "it has several planes: --per frame gives one image for each"),
    ],
)
def test_what_cannot_be_given_is_skipped_with_the_reason(home, options, reason):
    assert home.exec("cp", "{input}", "{output}", options=options)["skipped"] == {reason: 1}


def test_values_that_no_image_holds_are_refused(home):
    with open_store(home.url) as store:
        volumes = VolumeTable.open(store, "t")
        store_content(volumes, nifti_content(KEY, VOXELS - np.int16(500)), replace=True)
    reason = home.failure("cp", "{input}", "{output}", options="--per frame --input-as image")
    assert "do not fit an image of 16 bits: --window LOW,HIGH" in reason


def test_a_pair_becomes_one_file(home):
    pair = nibabel.Nifti1Pair(VOXELS, np.diag([2.0, 3.0, 4.0, 1.0]))
    nibabel.save(pair, home.folder / "pair.img")
    home.run("ingest", str(home.folder / "pair.hdr"), str(home.folder / "pair.img"), "--table", "p")
    home.exec("cp", "{input}", "{output:one.nii}", options="--input-as nifti", table="p")
    image = nibabel.Nifti1Image.from_bytes(home.made(table="p")["one.nii"])
    assert np.array_equal(np.asanyarray(image.dataobj), VOXELS)
    assert np.array_equal(image.affine, pair.affine)
    home.exec("sh", "-c", "cp $(dirname {input})/* {outdir}", table="p")
    assert home.made(table="p")["pair.hdr"] == (home.folder / "pair.hdr").read_bytes()


@pytest.mark.parametrize(
    ("options", "words", "message"),
    [
        ("", [], "no command is given"),
        ("", ["cp", "{input}", "x"], "names no output"),
        ("", ["cp", "{inputs}", "{output}"], "{inputs} is no placeholder"),
        ("", ["no-such-tool", "{input}", "{output}"], "no program 'no-such-tool'"),
        ("", ["./no-such-tool", "{input}", "{output}"], "no-such-tool' that can be run here"),
        ("--timeout never", ["cp", "{input}", "{output}"], "timeout 'never'"),
        ("--memory-limit 1", ["cp", "{input}", "{output}"], "memory-limit '1'"),
        ("--window 3,1", ["cp", "{input}", "{output}"], "window '3,1'"),
        ("--stdout a/b", ["cp", "{input}"], "without a folder"),
        ("--with missing.py", ["cp", "{input}", "{output}"], "missing.py cannot be read"),
        ("--with big.bin", ["cp", "{input}", "{output}"], "over 256 KiB"),
        ("--env NOT_SET_ANYWHERE", ["cp", "{input}", "{output}"], "it is not set here"),
        ("--env =1", ["cp", "{input}", "{output}"], "NAME=VALUE"),
    ],
)
def test_what_cannot_run_is_one_clear_error(home, options, words, message):
    Path("big.bin").write_bytes(bytes(300 << 10))
    done = home.exec(*words, options=options, code=1)
    assert message in str(done.exception)
    assert "\n" not in str(done.exception)


def test_a_file_of_the_current_folder_is_pointed_out(home):
    Path("settings.json").write_text("{}")
    common = ["--table", "t", "--store", home.url, "-w", "1"]
    done = home.run("run", "exec", *common, "--", "cp", "settings.json", "{output:x}", "{input}", code=1)
    assert "note: settings.json lies in the current folder" in done.stderr
    assert "--with settings.json" in done.stderr


def test_volumes_run_side_by_side_and_one_bad_one_costs_itself(home, monkeypatch):
    monkeypatch.setattr(ENGINE, run_processes)
    with open_store(home.url) as store:
        volumes = VolumeTable.open(store, "t")
        for number in range(2, 6):
            store_content(
                volumes, nifti_content(VolumeKey("made", f"sub-{number}", "-", "T1w"), VOXELS + np.int16(number))
            )
    report = home.exec("sh", "-c", "test {subject} != sub-3 && cp {input} {output}", code=1, workers="2")
    assert report["volumes"] == {"done": 4, "current": 0, "skipped": 0, "failed": 1}
    assert report["failed"][0]["key"] == "made/sub-3/-/T1w"


def test_commands_of_the_documentation_parse():
    page = (Path(__file__).parents[3] / "docs" / "exec.md").read_text()
    lines = re.findall(r"^\$ hbimg ((?:.*\\\n)*.*)$", page, re.MULTILINE)
    assert len(lines) >= 8
    for line in lines:
        arguments = shlex.split(line.replace("\\\n", " "))
        arguments = arguments[: arguments.index("--")] if "--" in arguments else arguments
        assert CliRunner().invoke(cli, [*arguments, "--help"]).exit_code == 0, line
