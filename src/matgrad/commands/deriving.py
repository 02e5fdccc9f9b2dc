"""`matgrad derive`: the derivative of an expression, with the steps if they are wanted."""

import argparse
from typing import Any

from matgrad.commands.declarations import add_declarations, declarations
from matgrad.commands.errors import UsageError

EXAMPLES = """\
examples:
  matgrad derive "tr(X*A*X'*Q)" --wrt X
  matgrad derive "tr(X*A*X'*Q)" --wrt X --steps --method einstein
  matgrad derive "x'*A*x" --wrt x --order 2 --symmetric A
  matgrad derive "logdet(X)" --wrt X --layout numerator --latex
"""


def add_parser(verbs: Any) -> None:
    """Declare the verb and its options."""
    parser = verbs.add_parser(
        "derive",
        help="derive the derivative of an expression, step by step",
        description="Derive the derivative of EXPRESSION.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("expression", metavar="EXPRESSION", help='such as "tr(X*A*X\'*Q)"')
    parser.add_argument("--wrt", required=True, metavar="NAME", help="the variable")
    parser.add_argument(
        "--method",
        choices=("differential", "einstein"),
        default="differential",
        help="by differentials, or by index notation (default: differential)",
    )
    parser.add_argument("--layout", choices=("denominator", "numerator"), default="denominator")
    parser.add_argument(
        "--order", type=int, choices=(1, 2), default=1, help="2 for the Hessian (default: 1)"
    )
    parser.add_argument(
        "--convention",
        choices=("symmetric", "free"),
        default="symmetric",
        help="of the gradient by a symmetric matrix (default: symmetric)",
    )
    parser.add_argument("--steps", action="store_true", help="show the derivation, too")
    parser.add_argument("--latex", action="store_true", help="show LaTeX")
    add_declarations(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Carry out the verb; return the exit code."""
    from matgrad.calculus import derive

    try:
        derivation = derive(
            options.expression,
            options.wrt,
            method=options.method,
            layout=options.layout,
            order=options.order,
            convention=options.convention,
            **declarations(options),
        )
    except ValueError as error:
        first, *_ = str(error).splitlines()
        raise UsageError(first) from None
    if options.latex:
        steps = [step.expression.latex() for step in derivation.steps] if options.steps else []
        print("\n".join([*steps, derivation.latex()]))
    elif options.steps:
        print(derivation.explain())
    else:
        print(derivation)
        if derivation.conditions:
            print(f"where {' and '.join(map(str, derivation.conditions))}")
    return 0
