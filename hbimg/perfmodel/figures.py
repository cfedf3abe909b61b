"""The only file that knows matplotlib: Figures 3 and 4 from `figure_data`, written as PNG and SVG; others begin here.

matplotlib is the optional extra `plots` and is imported when a figure is asked for; without it a ConfigError says how
to install it. Colours are told apart by colour-blind readers too, and systems by line style as well.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from hbimg.errors import ConfigError
from hbimg.perfmodel.units import MIB
from hbimg.perfmodel.whole_files import write_whole

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hbimg.perfmodel.figure_data import Curve, Panel

#: Okabe and Ito's colours, one for each cluster.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00")
_STYLES = {"grid": ("-", "o", "grid engine"), "hbimg": ("--", "^", "hbimg")}


def draw_figure3(curves: Sequence[Curve], title: str, stem: Path) -> list[Path]:
    """(A) wall-clock and (B) resource time over processing time; writes `stem`.png and `stem`.svg and returns them."""
    figure = new_figure(12.5, 5.2)
    left, right = figure.subplots(1, 2)
    cores = list(dict.fromkeys(curve.nsrp_s for curve in curves))
    for curve in curves:
        colour = _COLOURS[cores.index(curve.nsrp_s) % len(_COLOURS)]
        _draw_curve(left, curve, "wall_clock_s", 60.0, colour)
        _draw_curve(right, curve, "resource_time_s", 3600.0, colour)
        if curve.system == "grid":
            left.axvline(curve.nsrp_s, color=colour, linewidth=0.8, linestyle=":")
            right.axvline(curve.nsrp_s, color=colour, linewidth=0.8, linestyle=":")
    left.set_title("(A) wall-clock time")
    left.set_ylabel("wall-clock time (min)")
    right.set_title("(B) resource time")
    right.set_ylabel("resource time (h)")
    for axes in (left, right):
        axes.set_xlabel("processing time of a job (s)")
        axes.set_xlim(0)
        axes.set_ylim(0)
        axes.grid(visible=True, alpha=0.25)
    left.legend(fontsize=8, title="lines: equations; marks: simulation;\ndotted: NSRP", title_fontsize=8)
    figure.suptitle(title)
    return save_figure(figure, stem)


def _draw_curve(axes: Any, curve: Curve, quantity: str, unit_s: float, colour: str) -> None:
    line, mark, name = _STYLES[curve.system]
    values = np.array(getattr(curve, quantity)) / unit_s
    axes.plot(curve.times_s, values, line, color=colour, linewidth=1.4, label=f"{name}, {curve.core} cores")
    if curve.simulated:
        estimates = [getattr(result, quantity) for result in curve.simulated]
        means = np.array([e.mean for e in estimates]) / unit_s
        half = np.array([e.high - e.mean for e in estimates]) / unit_s
        axes.errorbar(
            curve.simulated_times_s, means, yerr=half, fmt=mark, color=colour, markersize=4, capsize=2, linestyle="none"
        )


def draw_figure4(panels: Sequence[Panel], title: str, stem: Path) -> list[Path]:
    """Maps of log10(hbimg / grid) clipped to [-1, 1], equal times in red; writes `stem`.png and `stem`.svg."""
    figure = new_figure(12.0, 9.6)
    grid = figure.subplots(2, 2)
    mesh = None
    for axes, panel in zip(grid.flat, panels, strict=True):
        values = np.array(getattr(panel.heatmap, f"log10_{panel.quantity}_ratio"))
        times, sizes = np.array(panel.heatmap.times_s), np.array(panel.heatmap.sizes_bytes) / MIB
        mesh = axes.pcolormesh(times, sizes, values, cmap="RdBu_r", vmin=-1, vmax=1, shading="gouraud", rasterized=True)
        _draw_contours(axes, times, sizes, values)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_title(panel.title)
        axes.set_xlabel("processing time of a job (s)")
        axes.set_ylabel("input and output of a job (MiB)")
    figure.colorbar(mesh, ax=grid, label="log10(hbimg / grid): blue, below 0, hbimg is faster", shrink=0.8)
    figure.suptitle(f"{title}\nred line: equal times; dashed: hbimg twice as fast")
    return save_figure(figure, stem)


def _draw_contours(axes: Any, times: Any, sizes: Any, values: Any) -> None:
    for level, colour, style in ((0.0, "red", "solid"), (-float(np.log10(2)), "black", "dashed")):
        if values.min() < level < values.max():
            axes.contour(times, sizes, values, levels=[level], colors=[colour], linestyles=[style], linewidths=1.4)


def new_figure(width_inches: float, height_inches: float) -> Any:
    """An empty figure; ConfigError says how to install matplotlib where it is missing."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ConfigError("figures need matplotlib: install it with pip install 'hbimg[plots]'") from error
    return Figure(figsize=(width_inches, height_inches), layout="constrained")


def save_figure(figure: Any, stem: Path) -> list[Path]:
    """Write `stem`.png and `stem`.svg and return them; each file appears whole or not at all."""
    import matplotlib as mpl

    written = []
    with mpl.rc_context({"svg.hashsalt": "hbimg"}):
        for suffix, metadata in ((".png", {}), (".svg", {"Date": None})):
            buffer = io.BytesIO()
            figure.savefig(buffer, format=suffix[1:], dpi=150, metadata=metadata)
            path = stem.with_name(stem.name + suffix)
            write_whole(path, buffer.getvalue())
            written.append(path)
    return written
