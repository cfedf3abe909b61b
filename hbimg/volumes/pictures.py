"""JPEG, PNG, TIFF and PPM files as frames: what a file says of itself, its pixels as arrays, and drawing PNG files.

The only module that knows Pillow. A frame is the whole file, so nothing is ever encoded again.
"""

from __future__ import annotations

import io
import struct
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from hbimg.errors import TooManyPixelsError, UnreadableFileError, VolumeError
from hbimg.volumes.content import FrameEncoding

#: The formats that are read, as Pillow calls them; no other of its readers ever sees a file.
FORMATS = ("JPEG", "PNG", "TIFF", "PPM")
#: Pillow's mode to numpy's name of a sample and the samples of a pixel, after `_plain`.
_SAMPLES = {
    "1": ("|u1", 1), "L": ("|u1", 1), "P": ("|u1", 3), "RGB": ("|u1", 3), "CMYK": ("|u1", 3), "YCbCr": ("|u1", 3),
    "LAB": ("|u1", 3), "LA": ("|u1", 4), "La": ("|u1", 4), "PA": ("|u1", 4), "RGBA": ("|u1", 4), "RGBa": ("|u1", 4),
    "RGBX": ("|u1", 3), "I;16": ("<u2", 1), "I;16B": ("<u2", 1), "I;16L": ("<u2", 1), "I": ("<i4", 1), "F": ("<f4", 1),
}  # fmt: skip
_STRIPS = ((273, 279), (324, 325))  # TIFF's tags of offsets and byte counts: of strips, of tiles
_BITS_PER_SAMPLE = 258
_HIGHER_BITS = "16-bit colour: its bytes are kept, arrays have the upper 8 bits of each sample"
_PAGES_DIFFER = "pages of several sizes or types: arrays have the first"


@dataclass(frozen=True, slots=True)
class PictureFacts:
    """What a picture file says of itself.

    Attributes
    ----------
    format : str
        ``jpeg``, ``png``, ``tiff`` or ``ppm`` (with PGM and PBM).
    rows, columns, samples : int
        Size in pixels, and samples of a pixel: 1, 3 or 4.
    pages : int
        Pages of a TIFF file; 1 for all else.
    dtype : str
        numpy's name of a sample as it is decoded.
    data_end : int
        The byte up to which the file must reach, where a table of the file says so; else 0.
    remark : str
        What arrays do not show of the file.
    """

    format: str
    rows: int
    columns: int
    samples: int
    pages: int
    dtype: str
    data_end: int = 0
    remark: str = ""

    @property
    def shape(self) -> tuple[int, int, int, str]:
        """What must agree for pictures to lie in one array: rows, columns, samples, dtype."""
        return (self.rows, self.columns, self.samples, self.dtype)


def examine_picture(stream: BinaryIO, name: str) -> PictureFacts:
    """Read the header of a picture file; no pixel is decoded.

    Raises
    ------
    UnreadableFileError
        If it is no picture of a format that is read.
    TooManyPixelsError
        If it promises more pixels than are ever decoded.
    """
    with _pillow(f"{name} is a broken picture", UnreadableFileError), _opened(stream) as image:
        if image.mode not in _SAMPLES:
            raise UnreadableFileError(f"{name}: pixels of mode {image.mode} are none that hbimg knows")
        dtype, samples = _sample_of(image)
        pages, data_end, remark = _pages_of(image) if image.format == "TIFF" else (1, 0, _bits_remark(image))
        name_of_format = {"MPO": "jpeg"}.get(image.format or "", (image.format or "").lower())
        return PictureFacts(name_of_format, image.height, image.width, samples, pages, dtype, data_end, remark)


def decode_pictures(frames: Sequence[bytes | memoryview], encoding: FrameEncoding) -> NDArray[Any]:
    """Decode frames that are pictures of one size into one new array.

    Returns
    -------
    ndarray, shape (planes, rows, columns), with samples as a fourth axis for colour; dtype `encoding.dtype`

    Raises
    ------
    VolumeError
        If a frame cannot be decoded, or is not of the size that the encoding says.
    """
    wanted = (encoding.rows, encoding.columns) + ((encoding.samples,) if encoding.samples > 1 else ())
    planes: list[NDArray[Any]] = []
    for index, frame in enumerate(frames):
        found = decode_picture(frame, index)
        if found.shape[1:] != wanted:
            raise VolumeError(f"frame {index} has shape {found.shape[1:]}, not {wanted} as its header says")
        planes.append(found.astype(encoding.dtype, copy=False))
    return np.concatenate(planes)


def decode_picture(frame: bytes | memoryview, index: int = 0) -> NDArray[Any]:
    """Decode one picture file.

    Palettes become colours, CMYK and YCbCr become RGB, grey with opacity becomes RGBA, and one bit becomes 0 and 255.
    Pixels lie as they are stored: a camera's orientation is not applied.

    Returns
    -------
    ndarray, shape (pages, rows, columns), with samples as a fourth axis for colour

    Raises
    ------
    VolumeError
        If it cannot be decoded.
    """
    with _pillow(f"frame {index} cannot be decoded", VolumeError), _opened(io.BytesIO(frame)) as image:
        dtype, _ = _sample_of(image)
        pages = _pages_of(image)[0] if image.format == "TIFF" else 1
        planes = []
        for page in range(pages):
            image.seek(page)
            planes.append(np.asarray(_plain(image)).astype(dtype, copy=False))
        return np.stack(planes)


def encode_png(pixels: NDArray[Any]) -> bytes:
    """Give a PNG file of pixels of shape (rows, columns) or (rows, columns, samples), exactly as they are."""
    from PIL import Image

    return _png(Image.fromarray(np.ascontiguousarray(pixels)))


def png_strip(pictures: Sequence[tuple[NDArray[np.uint8], int, int]], columns: int = 0, gap: int = 8) -> bytes:
    """Draw pictures side by side, `columns` in a row (0: all), each resized to its width and height in pixels.

    Parameters
    ----------
    pictures : sequence of (array of shape (rows, columns[, 3]), width, height)
    """
    from PIL import Image

    per_row = columns or len(pictures)
    rows = [pictures[start : start + per_row] for start in range(0, len(pictures), per_row)]
    width = max(sum(w + gap for _, w, _ in row) for row in rows) + gap
    canvas = Image.new("RGB", (width, sum(max(h for _, _, h in row) + gap for row in rows) + gap))
    top = gap
    for row in rows:
        left = gap
        for pixels, w, h in row:
            canvas.paste(Image.fromarray(pixels).convert("RGB").resize((w, h)), (left, top))
            left += w + gap
        top += max(h for _, _, h in row) + gap
    return _png(canvas)


def _png(image: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


@contextmanager
def _pillow(what: str, error_class: type[UnreadableFileError | VolumeError]) -> Iterator[None]:
    """Turn what Pillow raises into one of our errors, and keep its warnings of what nobody can mend to itself."""
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except Image.DecompressionBombError as error:
            most = 2 * (Image.MAX_IMAGE_PIXELS or 0)
            message = f"{what}: it promises more than the {most:,} pixels that are ever decoded"
            raise (TooManyPixelsError if error_class is UnreadableFileError else error_class)(message) from error
        except (UnreadableFileError, VolumeError):
            raise
        except (OSError, SyntaxError, ValueError, LookupError, TypeError, AttributeError) as error:
            raise error_class(f"{what}: {' '.join(str(error).split()) or type(error).__name__}") from error
        except (struct.error, EOFError, ArithmeticError, RuntimeError) as error:
            raise error_class(f"{what}: {' '.join(str(error).split()) or type(error).__name__}") from error


@contextmanager
def _opened(stream: BinaryIO | io.BytesIO) -> Iterator[Any]:
    from PIL import Image

    with Image.open(stream, formats=FORMATS) as image:
        yield image


def _sample_of(image: Any) -> tuple[str, int]:
    dtype, samples = _SAMPLES.get(image.mode, ("|u1", 3))
    if image.mode == "I" and image.format in ("PNG", "PPM"):
        dtype = "<u2"  # what these formats hold; Pillow widens it in some versions
    if image.mode == "P" and "transparency" in image.info:
        samples = 4
    return dtype, samples


def _plain(image: Any) -> Any:
    """Give grey, RGB or RGBA as it is, and convert what is written in another way."""
    if image.mode == "P":
        return image.convert("RGBA" if "transparency" in image.info else "RGB")
    if image.mode in ("CMYK", "YCbCr", "LAB", "RGBX"):
        return image.convert("RGB")
    if image.mode in ("LA", "La", "PA", "RGBa"):
        return image.convert("RGBA")
    return image.convert("L") if image.mode == "1" else image


def _pages_of(image: Any) -> tuple[int, int, str]:
    """Give the pages of a TIFF file that lie in one array, the byte where its data end, and a remark."""
    first, end, remark = None, 0, ""
    count = image.n_frames
    for page in range(count):
        image.seek(page)
        end = max(end, _tiff_data_end(image.tag_v2))
        remark = remark or _bits_remark(image)
        found = (image.size, image.mode)
        first = first or found
        if found != first:
            image.seek(0)
            return 1, end, f"{count} {_PAGES_DIFFER}"
    image.seek(0)
    return count, end, remark


def _tiff_data_end(tags: Any) -> int:
    end = 0
    for offsets, counts in _STRIPS:
        if offsets in tags and counts in tags:
            end = max(end, *(int(o) + int(n) for o, n in zip(tags[offsets], tags[counts], strict=False)))
    return end


def _bits_remark(image: Any) -> str:
    """Say it where Pillow decodes colours of more than 8 bits, or scales values up to the full range."""
    is_colour, bits = _SAMPLES[image.mode][1] > 1, 8
    if image.format == "TIFF":
        bits = max(image.tag_v2.get(_BITS_PER_SAMPLE, (8,)))
    elif image.format == "PNG":
        image.fp.seek(24)
        bits = image.fp.read(1)[0]
    elif image.format == "PPM" and image.mode != "1":
        largest = _ppm_maximum(image.fp)
        bits = 16 if largest > 255 else 8
        full = (1 << bits) - 1
        if largest != full and not (is_colour and bits > 8):
            return f"its largest value is {largest}: arrays are scaled to {full}"
    return _HIGHER_BITS if is_colour and bits > 8 else ""


def _ppm_maximum(stream: Any) -> int:
    stream.seek(0)
    lines = [line.partition(b"#")[0] for line in stream.read(1024).split(b"\n")]
    words = b" ".join(lines).split()
    return int(words[3]) if len(words) > 3 and words[3].isdigit() else 255
