"""What the kernels run on: the instruction set, and how many threads."""

from matgrad import __version__
from matgrad._native import instruction_sets, kernels

get_num_threads = kernels.get_num_threads
set_num_threads = kernels.set_num_threads


def show_config() -> None:
    """Print the version, the instruction set in use and those available, and the threads.

    Examples
    --------
    >>> import matgrad
    >>> matgrad.show_config()  # doctest: +SKIP
    matgrad 0.1.0
    instruction set: x86_64_v4 (this processor runs x86_64_v4, x86_64_v3, x86_64_v2)
    threads: 2
    """
    print(f"matgrad {__version__}")
    print(
        f"instruction set: {kernels.instruction_set} "
        f"(this processor runs {', '.join(instruction_sets())})"
    )
    print(f"threads: {get_num_threads()}")
