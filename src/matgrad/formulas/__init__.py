"""The formulas of the literature: a file a chapter, a record a formula."""

from matgrad.formulas.collection import CHAPTERS, Catalog, catalog
from matgrad.formulas.comparison import Comparison
from matgrad.formulas.conditions import Condition
from matgrad.formulas.erratum import Erratum
from matgrad.formulas.formula import Formula

__all__ = ["CHAPTERS", "Catalog", "Comparison", "Condition", "Erratum", "Formula", "catalog"]
