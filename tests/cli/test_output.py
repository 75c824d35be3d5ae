"""Where answers go: files, pipes, terminals, and readers that leave."""

import os
import pty
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from ntksym import cli, zoo
from ntksym.scaling import scaling_table
from tests.cli.helpers import NET, ROOT, Run, child, command_line, environment, refused


def test_a_file_is_written_in_the_form_of_its_name(run: Run) -> None:
    for suffix, start in (
        (".md", "**"),
        (".tex", "\\doc"),
        (".csv", "par"),
        (".html", "<!D"),
        (".json", "{"),
        (".txt", "mlp"),
    ):
        assert run("scaling", "mlp", "-o", f"table{suffix}") == (0, "", "")
        assert Path(f"table{suffix}").read_text(encoding="utf-8").startswith(start)
    run("scaling", "mlp", "-o", "table.md", "--format", "csv")
    assert Path("table.md").read_text(encoding="utf-8").startswith("parameter,")
    assert run("scaling", "mlp", "-o", "-")[1] == run("scaling", "mlp")[1]


def test_a_file_is_written_whole_or_not_at_all(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("table.txt").write_text("old", encoding="utf-8")
    refused(run("scaling", "mlp", "--large", "N", "-o", "table.txt"))

    def full(*names: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        assert refused(run("scaling", "mlp", "-o", "table.txt")) == "cannot write table.txt: No space left on device"
    assert Path("table.txt").read_text(encoding="utf-8") == "old"
    assert os.listdir() == ["table.txt"]


def test_a_file_keeps_its_permissions_and_a_link_its_target(run: Run) -> None:
    Path("table.txt").write_text("old", encoding="utf-8")
    Path("table.txt").chmod(0o640)
    Path("link.txt").symlink_to("table.txt")
    run("scaling", "mlp", "-o", "link.txt")
    assert Path("link.txt").is_symlink()
    assert stat.S_IMODE(Path("table.txt").stat().st_mode) == 0o640
    assert Path("table.txt").read_text(encoding="utf-8").startswith("mlp")
    mask = os.umask(0o027)
    try:
        run("scaling", "mlp", "-o", "new.txt")
    finally:
        os.umask(mask)
    assert stat.S_IMODE(Path("new.txt").stat().st_mode) == 0o640


def test_a_device_is_not_replaced(run: Run) -> None:
    assert run("scaling", "mlp", "-o", os.devnull) == (0, "", "")
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)


def test_the_list_of_commands_fits_a_terminal(run: Run) -> None:
    listed = run()[1].split("Commands:\n")[1].splitlines()
    assert [line.split()[0] for line in listed] == list(cli.COMMANDS)
    assert all(line.endswith(".") and not line.endswith("...") for line in listed)


def test_a_pipe_gets_plain_text_of_any_width() -> None:
    start = time.perf_counter()
    done = child("scaling", "transformer", COLUMNS="40", FORCE_COLOR="1")
    print(f"ntksym scaling transformer: {time.perf_counter() - start:.2f} s")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{scaling_table(zoo.load('transformer'))}\n"


def test_starting_loads_nothing_heavy() -> None:
    heavy = ["numpy", "sympy", "scipy", "numba", "matplotlib", "pandas", "jax", "torch", "rich"]
    loaded = f"print(sorted(set({heavy}) & set(sys.modules)))"
    script = f"import sys\nfrom ntksym.cli import main\nmain(['scaling', 'mlp'])\n{loaded}"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_bad_input_in_a_process_of_its_own() -> None:
    done = child("scaling", "trasformer")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "ntksym: there is no architecture 'trasformer' in the zoo; did you mean transformer?\n"


def test_a_terminal_without_unicode(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(dedent(NET).replace("net", "σ"), encoding="utf-8")
    done = child("scaling", "mine.py", cwd=tmp_path, PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("\\u03c3: mup")


def on_a_terminal(*words: str, **changes: str) -> str:
    """What a terminal of 100 columns is sent."""
    ours, theirs = pty.openpty()
    settings = environment(TERM="xterm-256color", COLUMNS="100")
    settings = {key: value for key, value in settings.items() if key not in ("NO_COLOR", "FORCE_COLOR")} | changes
    with subprocess.Popen(command_line(*words), stdout=theirs, stderr=theirs, env=settings) as process:
        os.close(theirs)
        shown = b""
        while part := _read(ours):
            shown += part
        process.wait(timeout=60)
    os.close(ours)
    return shown.decode().replace("\r\n", "\n")


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # what Linux says when the other side has closed
        return b""


def test_colour_on_a_terminal_only() -> None:
    shown = on_a_terminal("scaling", "mlp")
    assert "\x1b[" in shown
    assert "layer.hidden.w" in shown


def test_no_colour_is_respected() -> None:
    assert on_a_terminal("scaling", "mlp", NO_COLOR="1") == f"{scaling_table(zoo.load('mlp'))}\n"


def test_a_reader_that_leaves() -> None:
    with subprocess.Popen(
        command_line("scaling", "mlp"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(timeout=60) == cli.PIPE_CLOSED


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_full_disk() -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = child("scaling", "mlp", stdout=full)
    assert (done.returncode, done.stderr) == (2, "ntksym: cannot write: No space left on device\n")


SLOW = """
import signal, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # background jobs ignore it, these tests perhaps, too
print("here", flush=True)
time.sleep(60)
"""


def test_control_c_in_a_process_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(SLOW, encoding="utf-8")
    with subprocess.Popen(
        command_line("scaling", "slow.py"),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "here\n"
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=60) == ("", "")
        assert process.returncode == 130
