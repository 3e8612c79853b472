"""The diagnostics of syntax."""

from __future__ import annotations

from .code import Code

SYNTAX: tuple[Code, ...] = (
    Code(
        "E0101",
        "unexpected text",
        "The text stops making sense at this place; the message says what could stand there.",
        "loss half(y, yhat) =\n    mean((y - yhat) / )\n",
        "loss half(y, yhat) =\n    mean((y - yhat) / 2)\n",
    ),
    Code(
        "E0102",
        "no formula in the file",
        "A file holds a formula, or losses; this one is empty or holds only comments.",
        "# mean((y - yhat)^2)\n",
        "mean((y - yhat)^2)\n",
    ),
    Code(
        "E0103",
        "a character without a meaning",
        "Formulas are written with letters, digits, the usual operators and their Unicode forms.",
        "mean((y - yhat)^2) $\n",
        "mean((y - yhat)^2)\n",
    ),
    Code(
        "E0104",
        "a name that cannot be spelt in ASCII",
        "Every name has an ASCII spelling, by which Python knows it: Latin letters as they are,\n"
        "Greek letters by their names, hats and bars as `hat` and `bar`.",
        "mean((y - größe)^2)\n",
        "mean((y - ŷ)^2)\n",
    ),
    Code(
        "E0105",
        "an operator of another language",
        "Powers are written `^`, comparisons and logic as in mathematics and words.",
        "mean((y - yhat)**2)\n",
        "mean((y - yhat)^2)\n",
    ),
    Code(
        "E0106",
        "text that is never closed",
        'A description ends with `"` on its own line, a docstring with three of them.',
        'loss mse(y, yhat) = mean((y - yhat)^2)\nwhere\n    y in real "labels\n',
        'loss mse(y, yhat) = mean((y - yhat)^2)\nwhere\n    y in real "labels"\n',
    ),
    Code(
        "E0107",
        "brackets that do not match",
        "Each bracket is closed by its own kind; only an interval may mix them: `[0, 1)`.",
        "mean((y - yhat)^2\n",
        "mean((y - yhat)^2)\n",
    ),
    Code(
        "E0108",
        "`=` where nothing is defined",
        "`=` defines a name, `==` compares.",
        "mean(if y = 1 then yhat else 0)\n",
        "mean(if y == 1 then yhat else 0)\n",
    ),
    Code(
        "E0109",
        "a number too large or too small",
        "Numbers are exact; one of more than 400 digits is hardly meant.",
        "mean((y - yhat)^2) + 1e-999\n",
        "mean((y - yhat)^2) + 1e-99\n",
    ),
    Code(
        "E0110",
        "a malformed number",
        "A number has digits on both sides of its point, or only after it, and no `_` or `0x`.",
        "mean((y - yhat)^2) / 2.\n",
        "mean((y - yhat)^2) / 2\n",
    ),
    Code(
        "E0111",
        "a formula nested too deeply",
        "Formulas are nested at most 100 deep, so that every tool can walk over them.",
        "mean(y - yhat)" + " + 1" * 120 + "\n",
        "mean(y - yhat) + 120\n",
    ),
    Code(
        "E0112",
        "a file too large",
        "A file of more than 1 MB or 100000 words is no formula; it is refused.",
        wrong='lossc.compile("mean(y)" + " " * 2_000_000)',
        right='lossc.compile("mean(y)")',
    ),
    Code(
        "E0113",
        "no operator between two values",
        "Multiplication is written out, for `ab` is one name and `a(b)` a call.",
        "mean((y - yhat)^2) / 2 pi\n",
        "mean((y - yhat)^2) / (2 * pi)\n",
    ),
    Code(
        "E0114",
        "a name with a dot",
        "Functions are known by their own names; there are no modules and no methods.",
        "mean(np.log(1 + (y - yhat)^2))\n",
        "mean(log(1 + (y - yhat)^2))\n",
    ),
    Code(
        "E0115",
        "Python in place of a formula",
        "Formulas are no Python: a conditional reads `if c then a else b`, a function is defined\n"
        "in `where`, and indices take the place of slices.",
        "mean(yhat if y > 0 else -yhat)\n",
        "mean(if y > 0 then yhat else -yhat)\n",
    ),
    Code(
        "E0116",
        "an input or a param that is declared wrongly",
        "Inputs stand before the `;` and have no default; params stand after it and have one.",
        "loss scaled(y, yhat, c = 2) = c * mean((y - yhat)^2)\n",
        "loss scaled(y, yhat; c = 2) = c * mean((y - yhat)^2)\n",
    ),
    Code(
        "E0117",
        "a size that is no whole number",
        "An axis has a name, a size from 1 on, or both: `class`, `2`, `side=4`.",
        "loss nll(y[batch], out[batch, 2.5]) = mean[batch]((y - out[batch, 0])^2)\n",
        "loss nll(y[batch], out[batch, 2]) = mean[batch]((y - out[batch, 0])^2)\n",
    ),
    Code(
        "E0118",
        "an access that is none",
        "Between the brackets of an access stands what is in each place: an index, a shift, a\n"
        "number. Conditions and ranges belong to the reduction.",
        "loss top(y[batch, class], z[batch, class]) = mean(y - z[])\n",
        "loss top(y[batch, class], z[batch, class]) = mean(y - z)\n",
    ),
    Code(
        "E0119",
        "a list of indices that is none",
        "Before its arguments a reduction lists axes or fresh indices, by name.",
        "loss first(y[batch], z[batch]) = sum[0](y - z)\n",
        "loss first(y[batch], z[batch]) = sum[batch](y - z)\n",
    ),
    Code(
        "E0120",
        "the left of a definition",
        "A definition names what it defines: `e`, `s[i, j]` or `f(x)`.",
        "mean(e^2)\nwhere\n    2 * e = y - yhat\n",
        "mean(e^2)\nwhere\n    e = (y - yhat) / 2\n",
    ),
    Code(
        "E0121",
        "arguments out of order",
        "Arguments by position come first, then those by name.",
        "mean(sq(c = 2, y - yhat))\nwhere\n    sq(x; c = 1) = c * x^2\n",
        "mean(sq(y - yhat; c = 2))\nwhere\n    sq(x; c = 1) = c * x^2\n",
    ),
    Code(
        "E0122",
        "a reserved word used as a name",
        "if, then, else, in, and, or, not, where, claims, true, false and none are no names.",
        "loss gate(y, yhat; none = 1) = none * mean((y - yhat)^2)\n",
        "loss gate(y, yhat; c = 1) = c * mean((y - yhat)^2)\n",
    ),
    Code(
        "E0123",
        "a domain that is none",
        "A domain is a set of numbers: real, int, bool, an interval, a range, a set, or one that\n"
        "belongs to an axis.",
        "mean((y - yhat)^2)\nwhere\n    y in positive\n",
        "mean((y - yhat)^2)\nwhere\n    y in (0, inf)\n",
    ),
    Code(
        "E0124",
        "an entry that says nothing",
        "An entry of `where` gives a domain, a condition, a description or a definition.",
        "mean((y - yhat)^2)\nwhere\n    y - yhat\n",
        "mean(e^2)\nwhere\n    e = y - yhat\n",
    ),
    Code(
        "E0125",
        "a claim that says nothing",
        "A claim is a comparison, or one of the sentences the audit knows.",
        "loss mse(y, yhat) = mean((y - yhat)^2)\nclaims\n    mse + 1\n",
        "loss mse(y, yhat) = mean((y - yhat)^2)\nclaims\n    mse >= 0\n",
    ),
    Code(
        "E0126",
        "an array out of place",
        "An array is the default of a param; a formula uses the param's name.",
        "loss two(y, yhat) = mean(max(y - yhat, [0.1, 0.9]))\n",
        "loss two(y[batch], yhat[batch]; q[k] = [0.1, 0.9]) = mean(max(q * (y - yhat), 0))\n",
    ),
    Code(
        "E0127",
        "parts in the wrong order",
        "A docstring stands before its item; an item has one `where`, then one `claims`, neither\n"
        "empty; a bare formula is alone in its file.",
        "loss mse(y, yhat) = mean(e^2)\nclaims\n    mse >= 0\nwhere\n    e = y - yhat\n",
        "loss mse(y, yhat) = mean(e^2)\nwhere\n    e = y - yhat\nclaims\n    mse >= 0\n",
    ),
    Code(
        "E0128",
        "a formula of a paper that cannot be translated",
        "`lossc fmt --from latex` and `--from unicode` translate formulas as papers print them:\n"
        "sums, means, norms, fractions, roots, subscripts, accents, cases and functions. What is\n"
        "named here is none of these.",
        wrong="$ lossc fmt --from latex paper.tex  # \\frac{1}{N} \\sum_{i=1}^{N} \\heartsuit(y_i)",
        right="$ lossc fmt --from latex paper.tex  # \\frac{1}{N} \\sum_{i=1}^{N} (y_i - z_i)^2",
    ),
)
