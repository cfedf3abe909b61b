"""`hbimg show`: everything that is known of one volume, and a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hbimg.cli.options import json_option, opened_table, store_option, table_option

if TYPE_CHECKING:
    from hbimg.volumes import FrameEncoding, Manifest, StoredFile, VolumeReader, VolumeRecord

#: Pictures of a package that are drawn, at most.
_SHOWN_PICTURES = 12


@click.command()
@click.argument("key", metavar="KEY")
@table_option
@store_option
@click.option("--header", "with_header", is_flag=True, help="Print the whole header too.")
@click.option("--files", "with_files", is_flag=True, help="List the original files too.")
@click.option(
    "--png",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Draw three planes, or some pictures.",
)
@json_option
def show(
    key: str, table: str, store: str | None, with_header: bool, with_files: bool, png: Path | None, as_json: bool
) -> None:
    """Show one volume: geometry, encoding, results, and on demand header, files and a PNG of three planes.

    KEY is project/subject/session/scan, as `hbimg ls` prints it.

    \b
    Examples:
      hbimg show --table t1 adhd/sub-01/ses-1/T1w
      hbimg show --table t1 adhd/sub-01/ses-1/T1w --png t1w.png
      hbimg show --table t1 adhd/sub-01/ses-1/T1w --header --json | jq .header
    """
    from hbimg.cli.printing import print_json, say
    from hbimg.model import VolumeKey
    from hbimg.volumes import VolumeReader, Where, entries

    with opened_table(store, table) as volumes:
        record = volumes.record(VolumeKey.parse(key))
        manifests = [m for _, found in entries(volumes, Where(*record.key.labels)) for m in found]
        reader = VolumeReader(volumes, record)
        files = list(reader.files()) if with_files or as_json else []
        header = volumes.header(record.key) if with_header or as_json else {}
        if png is not None:
            say(f"{_draw(reader, png)} of {record.key} are in {png}")
    if as_json:
        print_json(_as_json(record, manifests, files, header))
        return
    for name, text in _lines(record, manifests):
        click.echo(f"{name:<12} {text}")
    for file in files:
        click.echo(
            f"file         {file.name}  {file.size_bytes} bytes  sha256 {file.sha256}  {_packing_words(file)}".rstrip()
        )
    if with_header:
        print_json(header)


def _lines(record: VolumeRecord, manifests: list[Manifest]) -> list[tuple[str, str]]:
    from hbimg.cli.printing import bytes_text

    lines = [
        ("key", str(record.key)),
        *((level, f"{text!r}") for level, text in record.texts.items()),
        ("kind", record.kind + (f": {record.reason}" if record.reason else "")),
        ("format", record.format),
        ("files", f"{record.files}, {bytes_text(record.file_bytes)}"),
        ("frames", f"{record.frames}, {bytes_text(record.frame_bytes)}"),
        ("digest", record.digest),
        ("stored", f"{record.stored['at']} by {record.stored['by']}"),
    ]
    lines += _geometry_lines(record)
    lines += [("remark", remark) for remark in record.remarks]
    for manifest in manifests:
        state = "" if manifest.input_digest == record.digest else " (stale: the volume was replaced since)"
        names = ", ".join(artefact.name for artefact in manifest.artefacts)
        lines.append(("result", f"{manifest.name}{state}: {names} ({bytes_text(manifest.size_bytes)})"))
    return lines


def _geometry_lines(record: VolumeRecord) -> list[tuple[str, str]]:
    geometry, encoding = record.geometry, record.encoding
    if geometry is None or encoding is None:
        return []

    lines = [
        ("shape", " x ".join(str(n) for n in geometry.shape) + f"  ({', '.join(geometry.axes)})"),
        ("dtype", _dtype_words(geometry.dtype, encoding)),
    ]
    if encoding.is_pictures:
        return lines  # they have no place in space
    lines += [
        ("spacing_mm", " x ".join(f"{spacing:.4g}" for spacing in geometry.spacing_mm)),
    ]
    lines += [("affine" if row == 0 else "", "  ".join(f"{x:10.4f}" for x in geometry.affine[row])) for row in range(3)]
    if (geometry.slope, geometry.intercept) != (1.0, 0.0):
        lines.append(("scaling", f"value = stored * {geometry.slope:g} + {geometry.intercept:g}"))
    if geometry.time_step_s:
        lines.append(("time_step_s", f"{geometry.time_step_s:g}"))
    if record.plane_map.get("by"):
        lines.append(("planes by", ", ".join(record.plane_map["by"])))
    if "mosaic" in encoding.details:
        lines.append(
            ("mosaic", f"{encoding.planes} tiles in each frame, {encoding.details['mosaic']['across']} in a row")
        )
    depth = geometry.shape[2]
    for part in record.plane_map.get("parts", ()):
        first, count = part["first_plane"] // depth, part["planes"] // depth
        volumes = f"volume {first}" if count == 1 else f"volumes {first} to {first + count - 1}"
        lines.append(("part", f"{part['name']}: {volumes}"))
    return lines


def _dtype_words(dtype: str, encoding: FrameEncoding) -> str:
    words = [dtype]
    if encoding.samples > 1:
        words.append(f"{encoding.samples} samples of colour")
    if encoding.transfer_syntax:
        words.append(f"transfer syntax {encoding.transfer_syntax}")
    if "intent" in encoding.details:
        words.append(f"intent {encoding.details['intent']}")
    return ", ".join(words)


def _packing_words(file: StoredFile) -> str:
    if file.packing is None:
        return ""
    return "gzip stream kept" if file.packing.get("kept") else f"gzip stream made again (zlib -{file.packing['level']})"


def _as_json(
    record: VolumeRecord, manifests: list[Manifest], files: list[StoredFile], header: dict[str, Any]
) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "key": str(record.key),
        "record": record.to_json(),
        "results": [{**asdict(m), "key": str(m.key), "stale": m.input_digest != record.digest} for m in manifests],
        "files": [asdict(file) for file in files],
        "header": header,
    }


def _draw(reader: VolumeReader, path: Path) -> str:
    """Draw a volume, and say what was drawn."""
    from hbimg.errors import ExportError
    from hbimg.volumes.picture import contact_sheet_png, picture_png
    from hbimg.volumes.voxels import voxels

    record = reader.record
    if record.encoding is not None and record.encoding.is_pictures:
        shown = _some_pictures(reader)
        drawn, words = contact_sheet_png(shown), f"{len(shown)} of {record.frames} pictures"
    else:
        array = voxels(reader)
        assert record.geometry is not None
        drawn, words = picture_png(array, record.geometry), "three planes"
    try:
        path.write_bytes(drawn)
    except OSError as error:
        raise ExportError(f"{path} cannot be written: {error.strerror}") from error
    return words


def _some_pictures(reader: VolumeReader) -> list[Any]:
    """Give the first page of pictures at even distances in a package."""
    from hbimg.volumes.pictures import decode_picture

    step = -(-reader.record.frames // _SHOWN_PICTURES)
    frames = enumerate(reader.frames())
    return [decode_picture(frame, index)[0] for index, frame in frames if index % step == 0]
