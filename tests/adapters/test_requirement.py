"""What an adapter says where its library is missing, and the examples of adapters."""

import doctest
from importlib import import_module

import pytest

from matgrad.adapters.requirement import required


def test_a_missing_library_is_named_with_the_extra_that_brings_it() -> None:
    with pytest.raises(ImportError, match=r'Nonesuch is needed: pip install "matgrad\[optimize\]"'):
        required("no_such_library", "optimize", "Nonesuch")


@pytest.mark.parametrize("name", ["oracles", "rules", "signature"])
def test_the_examples_of_what_adapters_share_run(name: str) -> None:
    assert doctest.testmod(import_module(f"matgrad.adapters.{name}")).failed == 0


@pytest.mark.parametrize(
    "name", ["cyipopt", "dask", "iminuit", "jax", "nlopt", "pymanopt", "scipy", "torch", "xarray"]
)
def test_the_examples_of_an_adapter_run(name: str) -> None:
    pytest.importorskip(name)
    assert doctest.testmod(import_module(f"matgrad.adapters.{name}")).failed == 0
