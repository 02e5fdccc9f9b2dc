"""The budgets of hypothesis: ``HYPOTHESIS_PROFILE=thorough pytest`` searches longer."""

import os

from hypothesis import settings

# Tests make thousands of small calls: threads that spin while they wait would only be in the way
# of NumPy's threads and of whatever else runs. It must be said before OpenMP is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

settings.register_profile("ci", max_examples=40, deadline=None, derandomize=True)
settings.register_profile("thorough", max_examples=2000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))
