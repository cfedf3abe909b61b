"""How tests start Java programs of Hadoop's and HBase's: quickly, with the settings of a folder."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from pathlib import Path


def java_command(
    program: Iterable[str], *, conf: Path | str | None = None, heap: str = "256m", first: str = ""
) -> list[str]:
    """Give the command for a class and its arguments; `first` stands before all else on the class path."""
    environment = {**os.environ, **({"HADOOP_CONF_DIR": str(conf)} if conf else {})}
    asked = subprocess.run(["hadoop", "classpath"], capture_output=True, text=True, check=True, env=environment)
    quick = ["-XX:SharedArchiveFile=/opt/cluster/classes.jsa", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]
    return [
        f"{os.environ['JAVA_HOME']}/bin/java",
        *(f"-Xmx{heap}", *quick, "@/opt/cluster/java.options"),
        *("-cp", f"{first}:{asked.stdout.strip()}".lstrip(":"), *program),
    ]
