"""The command line as a process: its output, signals, terminals and memory."""

import os
import pty
import shlex
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

import matgrad
from matgrad.__main__ import main

MATGRAD = [sys.executable, "-m", "matgrad"]


def run(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*MATGRAD, *arguments], capture_output=True, text=True, timeout=120, **options
    )


def test_the_version_is_the_package_s(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr() == (f"matgrad {matgrad.__version__}\n", "")


@pytest.mark.parametrize("verb", [[], ["check"], ["gradient"]])
def test_help_names_what_there_is(verb: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*verb, "--help"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith(" ".join(["usage: matgrad", *verb]))
    assert err == ""
    if not verb:
        assert "check " in out
        assert "gradient " in out


@pytest.mark.parametrize("arguments", [[], ["differentiate"], ["--colour"]])
def test_a_wrong_command_line_is_told_in_one_sentence(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("matgrad: ")
    assert err.count("\n") == 1


def test_the_examples_of_the_help_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for name in ("batch", "X", "A", "Q"):
        np.save(f"{name}.npy", rng.standard_normal((3, 2, 2)))
    for name in ("x", "b"):
        np.save(f"{name}.npy", rng.standard_normal((3, 2)))
    np.savez("data.npz", sigma=np.eye(2), mu=np.ones(2))
    for verb in ([], ["gradient"]):
        text = run(*verb, "--help").stdout
        for line in text.splitlines():
            if line.startswith("  matgrad gradient"):
                command = f"{sys.executable} -m {line.strip()} --force"
                assert subprocess.run(command, shell=True, check=False).returncode == 0


def test_a_process_says_what_is_wrong_without_a_traceback(tmp_path: Path) -> None:
    result = run("gradient", "det(X)", "X=none.npy", "--out", "gradient.npy", cwd=tmp_path)
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr == "matgrad: cannot read none.npy: No such file or directory\n"
    assert os.listdir(tmp_path) == []


def test_the_package_does_not_import_its_command_line() -> None:
    code = "import matgrad, sys; print(*[name for name in sys.modules if name in sys.argv])"
    modules = ["matgrad.__main__", "matgrad.commands", "matgrad.streaming", "rich", "argparse"]
    result = subprocess.run(
        [sys.executable, "-c", code, *modules, "matgrad"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.split() == ["matgrad"]


def test_a_reader_that_goes_away_ends_the_check_quietly() -> None:
    with subprocess.Popen(
        [*MATGRAD, "check", "trace"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(timeout=120) == 141
        assert process.stderr.read() == b""


# Interrupts: the process stops itself where the test wants it, behind the first block.

PAUSING = """
import sys, time
from matgrad.__main__ import main
from matgrad.streaming import NewArray

append = NewArray.append

def append_and_pause(array, block):
    append(array, block)
    print("one block is written", flush=True)
    time.sleep(120)

NewArray.append = append_and_pause
sys.exit(main())
"""


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
@pytest.mark.parametrize("old", [False, True])
def test_an_interrupt_leaves_no_half_file(
    old: bool, number: signal.Signals, code: int, tmp_path: Path
) -> None:
    np.save(tmp_path / "X.npy", np.zeros((10, 2, 2)))
    if old:
        (tmp_path / "gradient.npy").write_text("old")
    before = sorted(os.listdir(tmp_path))
    command = "gradient tr(X) X=X.npy --out gradient.npy --value value.npy --force --block-bytes 1"
    with subprocess.Popen(
        [sys.executable, "-c", PAUSING, *command.split()],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "one block is written\n"
        assert len(os.listdir(tmp_path)) == len(before) + 2
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert err == "matgrad: interrupted\n"
    assert sorted(os.listdir(tmp_path)) == before
    if old:
        assert (tmp_path / "gradient.npy").read_text() == "old"


def test_a_signal_that_the_parent_ignores_stays_ignored(tmp_path: Path) -> None:
    np.save(tmp_path / "X.npy", np.zeros((2, 2)))
    code = PAUSING.replace("time.sleep(120)", "import signal; signal.raise_signal(signal.SIGHUP)")
    result = subprocess.run(
        ["nohup", sys.executable, "-c", code, *["gradient", "tr(X)", "X=X.npy", "--out", "G.npy"]],
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    assert result.returncode == 0
    assert (tmp_path / "G.npy").exists()


def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    np.save(tmp_path / "X.npy", np.zeros((1000, 4, 4)))
    # By the shell, in its blocks of half a kilobyte or one: a fork of this process, with JAX's
    # threads in it, might never end.
    command = [*MATGRAD, "gradient", "det(X)", "X=X.npy", "--out", "gradient.npy"]
    result = subprocess.run(
        ["sh", "-c", 'ulimit -f 60; exec "$@"', "sh", *command, "--block-bytes", "10kB"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert result.returncode == 2
    assert result.stderr == "matgrad: cannot write gradient.npy: File too large\n"
    assert os.listdir(tmp_path) == ["X.npy"]


def test_main_runs_in_another_thread(tmp_path: Path) -> None:
    np.save(tmp_path / "X.npy", np.eye(2))
    arguments = ["gradient", "det(X)", f"X={tmp_path}/X.npy", "--out", f"{tmp_path}/G.npy"]
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(main(arguments)))
    thread.start()
    thread.join()
    assert codes == [0]


# Terminals: standard error is one, standard output is not.

WITHOUT_RICH = """
import sys
sys.modules["rich"] = sys.modules["rich.console"] = None
from matgrad.__main__ import main
sys.exit(main())
"""


def show_on_terminal(command: list[str], **options: Any) -> str:
    """Run a command whose standard error is a terminal; return what that shows."""
    ours, theirs = pty.openpty()
    shown = b""
    with subprocess.Popen(command, stderr=theirs, stdout=subprocess.DEVNULL, **options) as process:
        os.close(theirs)
        try:
            while piece := os.read(ours, 4096):
                shown += piece
        except OSError:  # Linux ends a terminal without writers with an error
            pass
    os.close(ours)
    assert process.returncode == 0
    return shown.decode()


@pytest.mark.parametrize("rich", [True, False])
def test_a_terminal_shows_how_far_it_is(rich: bool, tmp_path: Path) -> None:
    np.save(tmp_path / "X.npy", np.zeros((100, 2, 2)))
    start = MATGRAD if rich else [sys.executable, "-c", WITHOUT_RICH]
    arguments = ["gradient", "det(X)", "X=X.npy", "--out", "gradient.npy", "--block-bytes", "2kB"]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80"}
    shown = show_on_terminal([*start, *arguments], cwd=tmp_path, env=environment)
    assert "gradient of det(X)" in shown
    assert "100%" in shown
    assert ("━" in shown) is rich
    assert ("####" in shown) is not rich


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_streams_may_be_closed(closed: str, tmp_path: Path) -> None:
    np.save(tmp_path / "X.npy", np.eye(2))
    for verb, code in [
        ("list logdet", 0),
        ("gradient 'det(X)' X=X.npy --out G.npy --force", 0),
        ("gradient 'det(X)' X=no.npy --out G.npy --force", 2),
    ]:
        result = subprocess.run(
            f"{shlex.join(MATGRAD)} {verb} {closed}",
            shell=True,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert result.returncode == code
        assert "Traceback" not in result.stderr
        assert "cannot read" not in result.stdout
    np.testing.assert_array_equal(np.load(tmp_path / "G.npy"), np.eye(2))


def test_a_pipe_shows_nothing(tmp_path: Path) -> None:
    np.save(tmp_path / "X.npy", np.zeros((100, 2, 2)))
    result = run(*["gradient", "det(X)", "X=X.npy", "--out", "gradient.npy"], cwd=tmp_path)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


# Memory. Linux counts the parent's memory at the time of the fork into a child's peak, so a small
# process stands between pytest and the command.

PEAK = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(peak if sys.platform == "darwin" else peak * 1024)
"""


def peak_bytes(folder: Path, file: str, block_bytes: int) -> int:
    """Return the peak memory of the gradient of a file."""
    command = f"gradient logdet(X) X={file} --out G.npy --value V.npy --force --block-bytes"
    result = subprocess.run(
        [sys.executable, "-c", PEAK, *MATGRAD, *command.split(), str(block_bytes)],
        cwd=folder,
        capture_output=True,
        check=True,
    )
    return int(result.stdout)


BLOCK = 4_000_000


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("kind", ["npy", "stored", "compressed"])
def test_memory_is_bounded_by_the_block_whatever_the_file(
    kind: str, order: Literal["C", "F"], tmp_path: Path
) -> None:
    X = np.asarray(np.broadcast_to(np.eye(4), (250_000, 4, 4)), order=order)
    assert X.nbytes == 8 * BLOCK
    write = {"npy": np.save, "stored": np.savez, "compressed": np.savez_compressed}[kind]
    file = "X.npy" if kind == "npy" else "X.npz"
    write(tmp_path / file, X)
    np.save(tmp_path / "one.npy", X[0])
    without = peak_bytes(tmp_path, "one.npy", BLOCK)
    assert peak_bytes(tmp_path, file, BLOCK) - without < 1.5 * BLOCK
    assert np.load(tmp_path / "G.npy", mmap_mode="r").shape == X.shape


def test_a_block_as_large_as_the_file_takes_its_memory(tmp_path: Path) -> None:
    X = np.zeros((250_000, 4, 4))
    np.save(tmp_path / "X.npy", X)
    np.save(tmp_path / "one.npy", X[0])
    without = peak_bytes(tmp_path, "one.npy", BLOCK)
    assert peak_bytes(tmp_path, "X.npy", 10**9) - without > 2 * X.nbytes
