"""Draw what yarn_locality.py measured: `python bench/yarn_locality_figure.py RUNS.json PICTURE.png` (matplotlib)."""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

COLOURS = {"own host": "#0072B2", "other host": "#D55E00", "one gateway": "#999999"}
NAMES = {
    "own host": "maps beside their data",
    "other host": "maps on another worker",
    "one gateway": "all through one gateway",
}


def main(source: Path, target: Path) -> None:
    """Wall-clock on the left, what crossed the network on the right; a dot is a run."""
    runs = json.loads(source.read_text())
    speeds = sorted({run["link_mbit"] for run in runs}, key=lambda mbit: -mbit if mbit else float("-inf"))
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    rivals = [rival for rival in COLOURS if any(run["rival"] == rival for run in runs)]
    for number, rival in enumerate(rivals):
        ahead = (number - (len(rivals) - 1) / 2) * 0.27
        mine = [[run for run in runs if run["rival"] == rival and run["link_mbit"] == mbit] for mbit in speeds]
        bars(left, ahead, rival, [[run["wall_s"] for run in found] for found in mine])
        bars(right, ahead, rival, [[run["received_bytes"] / 1e6 for run in found] for found in mine])
    data = runs[0]["reconciled"]["data_bytes"] / 1e6
    right.axhline(data, color="black", linewidth=0.8, linestyle="--")
    right.annotate("the images", (0.01, data), xycoords=("axes fraction", "data"), va="bottom", fontsize=8)
    for axes, words in ((left, "wall-clock of the job (s)"), (right, "received by the workers (MB)")):
        axes.set_xticks(range(len(speeds)), [f"{mbit} Mbit/s" if mbit else "as they are" for mbit in speeds])
        axes.set_xlabel("links between the machines")
        axes.set_ylabel(words)
        axes.margins(y=0.1)
    left.legend(fontsize=8, loc="upper left")
    figure.savefig(target, dpi=110)


def bars(axes: Any, ahead: float, rival: str, found: list[list[float]]) -> None:
    """Draw a rival's bars, medians, with its runs as dots; `ahead` of the speeds' ticks."""
    places = [speed + ahead for speed, values in enumerate(found) if values]
    filled = [values for values in found if values]
    heights = [statistics.median(values) for values in filled]
    drawn = axes.bar(places, heights, 0.25, color=COLOURS[rival], label=NAMES[rival])
    axes.bar_label(drawn, fmt="%.0f", fontsize=8, padding=4)
    for place, values in zip(places, filled, strict=True):
        axes.plot([place] * len(values), values, "k.", markersize=3)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
