"""`tickstock-relay run` as a process: what it carries."""

import subprocess
import sys


def test_a_daemon_carries_no_packages_for_colours_and_hides_them_from_nobody() -> None:
    code = (
        "import sys; from relay.cli.run import _leave_out_what_colours as lean; lean(); import relay.process.logs\n"
        "import httpx, relay.daemon, sinks.posting\n"
        "print(sorted(name for name in ('rich', 'pygments') if name in sys.modules))\n"
        "import rich, pygments"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (result.stdout, result.stderr) == ("[]\n", "")
