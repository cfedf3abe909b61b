"""Table settings as JSON, as every store keeps them with its tables."""

from __future__ import annotations

from typing import Any

from hbimg.store.contract import Family, TableSettings


def settings_to_json(settings: TableSettings) -> dict[str, Any]:
    """Give a JSON-ready mapping of table settings; `settings_from_json` reads it back."""
    return {
        "families": [[f.name, f.compression, f.data_block_encoding, f.about] for f in settings.families],
        "split_points": [point.hex() for point in settings.split_points],
        "attributes": dict(settings.attributes),
    }


def settings_from_json(data: dict[str, Any]) -> TableSettings:
    """Read what `settings_to_json` gave."""
    return TableSettings(
        families=tuple(Family(*parts) for parts in data["families"]),
        split_points=tuple(bytes.fromhex(point) for point in data["split_points"]),
        attributes=data["attributes"],
    )
