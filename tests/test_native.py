"""The compiled modules: which one is loaded, what they say of themselves, how they get along."""

import ast
import doctest
import os
import pickle
import platform
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy_doctest import DTChecker

import matgrad
from matgrad._native import instruction_sets, load
from tests.linalg.samples import SIGNATURES

LEVELS = {
    "x86_64_v2": {"sse4_1", "sse4_2", "ssse3", "popcnt", "cx16"},
    "x86_64_v3": {"avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe"},
    "x86_64_v4": {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"},
}


def run(code: str, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run code in a Python of its own, without the variables that this one was given."""
    clean = {k: v for k, v in os.environ.items() if k not in ("MATGRAD_ISA", "PYTHONWARNINGS")}
    return subprocess.run(
        [sys.executable, *options, "-c", code],
        env=clean | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def output(code: str, *options: str, **environment: str) -> str:
    """Return what code prints, given that it succeeds and says nothing else."""
    done = run(code, *options, **environment)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


WHICH = "import matgrad.linalg; print(matgrad.linalg.kernels.instruction_set)"


def test_the_best_instruction_set_is_the_default() -> None:
    assert output(WHICH) == instruction_sets()[0]
    assert output(WHICH, MATGRAD_ISA="") == instruction_sets()[0]


@pytest.mark.parametrize("isa", instruction_sets())
def test_an_instruction_set_can_be_chosen(isa: str) -> None:
    assert load(isa).instruction_set == isa
    assert output(WHICH, MATGRAD_ISA=isa) == isa
    assert output("import matgrad; print(matgrad.det([[1, 2], [3, 4]]))", MATGRAD_ISA=isa) == "-2.0"


@pytest.mark.parametrize("wanted", ["x86_64_v9", "X86_64_V2", "../x"])
def test_an_instruction_set_that_does_not_run_here_is_refused_by_name(wanted: str) -> None:
    done = run("import matgrad; matgrad.det", MATGRAD_ISA=wanted)
    assert done.returncode == 1
    assert done.stdout == ""
    error = done.stderr.strip().splitlines()[-1]
    assert error.startswith("ImportError: ")
    assert f"MATGRAD_ISA={wanted!r}" in error
    assert all(isa in error for isa in instruction_sets())


@pytest.mark.parametrize("arguments", [["check"], ["show", "det"], ["gradient", "det(X)"], []])
def test_the_command_line_refuses_an_instruction_set_in_one_sentence(arguments: list[str]) -> None:
    code = f"import sys; from matgrad.__main__ import main; sys.exit(main({arguments}))"
    done = run(code, MATGRAD_ISA="nonsense")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("matgrad: MATGRAD_ISA='nonsense' is not among ")
    assert done.stderr.count("\n") == 1


@pytest.mark.skipif(
    not Path("/proc/cpuinfo").exists() or platform.machine() != "x86_64",
    reason="the kernel's own list of processor features is a Linux file",
)
def test_the_instruction_sets_are_those_of_the_processor_the_best_first() -> None:
    found = re.search(r"^flags\s*:(.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    assert found is not None
    flags, expected = set(found[1].split()), list[str]()
    for isa, needed in LEVELS.items():
        if not needed <= flags:
            break
        expected.insert(0, isa)
    assert instruction_sets() == tuple(expected)


@pytest.mark.parametrize("options", [("-W", "error"), ("-X", "dev"), ("-W", "error", "-X", "dev")])
def test_import_is_silent(options: tuple[str, ...]) -> None:
    assert output("import matgrad", *options) == ""


def test_import_loads_nothing_but_numpy_and_the_standard_library() -> None:
    code = "import sys, numpy; before = set(sys.modules); import matgrad; " + (
        "matgrad.det; print(sorted({m.split('.')[0] for m in set(sys.modules) - before}))"
    )
    extra = set(ast.literal_eval(output(code))) - set(sys.stdlib_module_names)
    assert all(
        name.startswith(("matgrad", "numpy", "cython_runtime", "_cython_")) for name in extra
    )


def test_import_takes_less_than_sixty_milliseconds_beyond_numpy() -> None:
    code = "import time, numpy; t = time.perf_counter(); import matgrad; " + (
        "matgrad.det; print(time.perf_counter() - t)"
    )
    assert min(float(output(code)) for _ in range(5)) < 0.060


def test_the_package_holds_no_cython_source() -> None:
    files = {path.suffix for path in Path(matgrad.__file__).parent.rglob("*") if path.is_file()}
    assert files.isdisjoint({".pyx", ".pxd", ".h", ".c", ".cpp"})


def test_the_package_offers_the_kernels_of_the_chosen_instruction_set() -> None:
    chosen = load(os.environ.get("MATGRAD_ISA") or instruction_sets()[0])
    for name in SIGNATURES:
        assert name in matgrad.__all__
        assert getattr(matgrad, name) is getattr(chosen, name)


@pytest.mark.parametrize("name", SIGNATURES)
def test_pickle_keeps_the_public_name_and_not_the_instruction_set(name: str) -> None:
    kernel = getattr(matgrad, name)
    pickled = pickle.dumps(kernel)
    assert b"matgrad" in pickled
    assert b"_native" not in pickled
    assert pickle.loads(pickled) is kernel


@pytest.mark.parametrize("name", SIGNATURES)
@pytest.mark.parametrize("isa", instruction_sets())
def test_docstrings_have_their_sections(isa: str, name: str) -> None:
    doc = getattr(load(isa), name).__doc__
    for section in ("Parameters", "Returns", "Examples"):
        assert re.search(rf"^ *{section}\n *-{{{len(section)}}}$", doc, re.MULTILINE), section


@pytest.mark.parametrize("name", SIGNATURES)
@pytest.mark.parametrize("isa", instruction_sets())
def test_examples_in_docstrings_run(isa: str, name: str) -> None:
    kernel = getattr(load(isa), name)
    globs = {"np": np, "matgrad": matgrad}
    example = doctest.DocTestParser().get_doctest(kernel.__doc__, globs, name, None, 0)
    assert any(name in part.source for part in example.examples)
    report: list[str] = []
    result = doctest.DocTestRunner(checker=DTChecker()).run(example, out=report.append)
    assert result.failed == 0, "".join(report)


FORK = """
import multiprocessing as mp
import numpy as np
import matgrad

X = np.random.default_rng(0).normal(size=(3000, 12, 12))
def work(k):
    return [r.tobytes() for r in matgrad.slogdet_and_gradient(X)]

if __name__ == "__main__":
    expected = work(0)
    with mp.get_context("fork").Pool(2) as pool:
        print(all(r == expected for r in pool.map(work, range(4))))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("isa", instruction_sets())
def test_a_forked_child_computes_the_same(isa: str) -> None:
    assert output(FORK, MATGRAD_ISA=isa) == "True"


NO_MEMORY = """
import resource
import numpy as np
from matgrad import inv

X, out = np.eye(1500), np.empty((1500, 1500))
inv(np.eye(40))
with open("/proc/self/statm") as file:
    pages = int(file.read().split()[0])
limit = pages * resource.getpagesize() + (1 << 20)
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
try:
    inv(X, out=out)
except MemoryError:
    print("MemoryError")
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="this system is not Linux")
@pytest.mark.parametrize("isa", instruction_sets())
def test_a_kernel_that_finds_no_memory_says_so(isa: str) -> None:
    assert output(NO_MEMORY, MATGRAD_ISA=isa, OMP_NUM_THREADS="1") == "MemoryError"


@pytest.mark.parametrize("isa", instruction_sets())
def test_instruction_sets_agree(isa: str) -> None:
    X = np.random.default_rng(0).normal(size=(50, 7, 7))
    np.testing.assert_allclose(load(isa).det(X), np.linalg.det(X), rtol=1e-12)
