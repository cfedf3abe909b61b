"""What Python and hbimg are on each node: a short script, run there by a command that the user gives.

Nothing that Hadoop or HBase serve can tell it. A command template, ``ssh {host}`` or ``docker exec -i {name}``, needs
no more rights than its user has; the script travels as the command's input, so no shell quotes it on the way.
"""

from __future__ import annotations

import json
import time

from hbimg.doctor.cluster import NodeReport
from hbimg.doctor.network import Clock, Network
from hbimg.errors import StoreUnavailableError

SCRIPT = """
import time
began_s = time.time()
import json, platform, socket, sys
facts = {"python": platform.python_version(), "executable": sys.executable, "began_s": began_s}
try:
    import hbimg
    facts["hbimg"] = hbimg.__version__
except Exception as error:
    facts["hbimg_missing"] = f"{type(error).__name__}: {error}"
for name in ("numpy", "pydicom", "nibabel", "thriftpy2", "dcm2niix"):
    try:
        __import__(name)
    except Exception as error:
        facts.setdefault("missing", []).append(f"{name} ({type(error).__name__})")
facts["own_name"] = socket.getfqdn()
facts["time_s"] = time.time()
print(json.dumps(facts))
"""


def report_of(network: Network, via: str, python: str, host: str) -> NodeReport:
    """Run the script on a node.

    Raises
    ------
    ConfigError
        If `via` is malformed.
    """
    asked = time.time()
    try:
        text = network.run(via, host, [python, "-"], SCRIPT)
        answered = time.time()
        facts = json.loads(text.strip().splitlines()[-1])
        began, told = float(facts["began_s"]), float(facts["time_s"])
    except StoreUnavailableError as error:
        return NodeReport(host, trouble=str(error))
    except (ValueError, KeyError, IndexError, TypeError):
        return NodeReport(host, trouble=f"the answer is none of the script's: {text[:80]!r}")
    # Before the script's imports and after them: these take longer than the way there and back.
    return NodeReport(host, facts, Clock(told - answered, began - asked))
