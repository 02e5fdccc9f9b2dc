"""Fixtures: the kernels of every instruction set that this machine runs."""

from types import ModuleType

import numpy as np
import pytest

from matgrad._native import instruction_sets, load
from tests.linalg.samples import SIGNATURES


@pytest.fixture(scope="session", params=instruction_sets())
def kernels(request: pytest.FixtureRequest) -> ModuleType:
    """Return the module of kernels of one instruction set."""
    return load(request.param)


@pytest.fixture(scope="session", params=SIGNATURES)
def name(request: pytest.FixtureRequest) -> str:
    """Return the name of one of the ten kernels."""
    return str(request.param)


@pytest.fixture(scope="session")
def kernel(kernels: ModuleType, name: str) -> np.ufunc:
    """Return the kernel called `name`."""
    ufunc: np.ufunc = getattr(kernels, name)
    return ufunc


@pytest.fixture
def rng() -> np.random.Generator:
    """Return a generator that gives every test the same numbers in every run."""
    return np.random.default_rng(20240229)
