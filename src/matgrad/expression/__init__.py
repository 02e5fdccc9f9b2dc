"""The language of matrix expressions: reading, writing, shapes and batched evaluation."""

from matgrad.expression.dimension import Kind
from matgrad.expression.expression import Expression
from matgrad.expression.inference import DimensionError
from matgrad.expression.lexer import ParseError
from matgrad.expression.nodes import Variable
from matgrad.expression.parser import parse

__all__ = ["DimensionError", "Expression", "Kind", "ParseError", "Variable", "parse"]
