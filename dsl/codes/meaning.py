"""The diagnostics of names, axes and kinds, each with a wrong and a right example."""

from __future__ import annotations

from .code import Code

NAMES: tuple[Code, ...] = (
    Code(
        "E0201",
        "an unknown name",
        "A name in a formula is an input, a param, a definition, an index or a constant. "
        "In a file\n"
        "of one bare formula every free name is an input.",
        "loss mse(y, yhat) = mean((y - yhta)^2)\n",
        "loss mse(y, yhat) = mean((y - yhat)^2)\n",
    ),
    Code(
        "E0202",
        "an unknown function",
        "Functions are those of the language, of this file, and those that `use` brings in.",
        "mean(ln(1 + (y - yhat)^2))\n",
        "mean(log(1 + (y - yhat)^2))\n",
    ),
    Code(
        "E0203",
        "a name declared twice",
        "Inputs, params and definitions of a loss share one space of names, and so do the losses\n"
        "and functions of a file.",
        "loss mse(y, y) = mean(y^2)\n",
        "loss mse(y, yhat) = mean((y - yhat)^2)\n",
    ),
    Code(
        "E0204",
        "definitions in a circle",
        "Definitions may use each other in any order, but none may need itself.",
        "mean(a)\nwhere\n    a = y - b\n    b = yhat * a\n",
        "mean(a)\nwhere\n    a = y - b\n    b = yhat\n",
    ),
    Code(
        "E0205",
        "a wrong number of arguments",
        "Each function takes a fixed number of arguments; only `min` and `max` take any.",
        "mean(clip(y - yhat, 1))\n",
        "mean(clip(y - yhat, -1, 1))\n",
    ),
    Code(
        "E0206",
        "an unknown param of a function",
        "Params of a function or loss are given by name, after its arguments.",
        "use std.regression: huber\nloss h(y, yhat) = huber(y, yhat; dleta = 2)\n",
        "use std.regression: huber\nloss h(y, yhat) = huber(y, yhat; delta = 2)\n",
    ),
    Code(
        "E0207",
        "one name for an axis and an input",
        "`z[batch, y]` could then mean the axis or the labels.",
        "loss l(y[batch], z[batch, y]) = mean[batch](y * sum[y](z))\n",
        "loss l(y[batch], z[batch, class]) = mean[batch](y * sum[class](z))\n",
    ),
    Code(
        "E0208",
        "a param with the name of a keyword",
        "wrt, digits, validate, reduction, name and dtype are keywords of the calls that "
        "take params.",
        "loss l(y, yhat; name = 1) = mean(name * (y - yhat)^2)\n",
        "loss l(y, yhat; scale = 1) = mean(scale * (y - yhat)^2)\n",
    ),
    Code(
        "E0209",
        "a domain for what cannot have one",
        "A domain is the author's promise about an input or a param, made once.",
        "mean(e^2)\nwhere\n    e = y - yhat\n    e in [0, 1]\n",
        "mean(e^2)\nwhere\n    e = y - yhat\n    y in [0, 1]\n",
    ),
    Code(
        "E0210",
        "a comparison that is no domain",
        "In a `where`, a comparison bounds an input or a param: `delta > 0`, `0 <= p <= 1`.",
        "loss l(y, yhat) = mean((y - yhat)^2)\nwhere\n    y + yhat > 0\n",
        "loss l(y, yhat) = mean((y - yhat)^2)\nwhere\n    y > 0\n",
    ),
    Code(
        "E0211",
        "a bound that depends on data",
        "The bounds of a domain are numbers, params and sizes.",
        "loss l(y, yhat) = mean((y - yhat)^2)\nwhere\n    y in [0, yhat]\n",
        "loss l(y, yhat; top = 1) = mean((y - yhat)^2)\nwhere\n    y in [0, top]\n",
    ),
    Code(
        "E0212",
        "an input without axes beside inputs with axes",
        "Inputs without axes share one shape; beside named axes it would be a guess "
        "which they have.",
        "loss l(y[batch], yhat[batch], w) = mean[batch](w * (y - yhat)^2)\n",
        "loss l(y[batch], yhat[batch], w[batch]) = mean[batch](w * (y - yhat)^2)\n",
    ),
    Code(
        "E0213",
        "a default that is no number",
        "The default of a param is a number, true, false, none, or a list of numbers if the param\n"
        "has axes.",
        "loss l(y, yhat; w = [1, 2]) = mean(w * (y - yhat)^2)\n",
        "loss l(y[k], yhat[k]; w[k] = [1, 2]) = mean[k](w * (y - yhat)^2)\n",
    ),
    Code(
        "E0214",
        "a function that calls itself",
        "The language has no recursion, so that every loss ends.",
        "def f(x) = f(x) + 1\nloss l(y, yhat) = mean(f(y - yhat))\n",
        "def f(x) = x + 1\nloss l(y, yhat) = mean(f(y - yhat))\n",
    ),
    Code(
        "E0215",
        "a function of the language defined again",
        "Names of the language's functions keep their meaning in every file.",
        "def clip(x) = max(x, 0)\nloss l(y, yhat) = mean(clip(y - yhat))\n",
        "def positive(x) = max(x, 0)\nloss l(y, yhat) = mean(positive(y - yhat))\n",
    ),
    Code(
        "W0201",
        "a definition that is not used",
        "It may be left over, or a formula may have been meant to use it.",
        "mean((y - yhat)^2)\nwhere\n    e = y - yhat\n",
        "mean(e^2)\nwhere\n    e = y - yhat\n",
    ),
    Code(
        "W0202",
        "an index that hides another",
        "Inside, the name means the inner index; another name would make clear which is meant.",
        "loss l(s[item]) = mean[i](s[i] * sum[i](s[i]))\n",
        "loss l(s[item]) = mean[i](s[i] * sum[j](s[j]))\n",
    ),
    Code(
        "W0203",
        "an input or param that is not used",
        "Every call must give it, and it changes nothing.",
        "loss l(y, yhat, w) = mean((y - yhat)^2)\n",
        "loss l(y, yhat, w) = mean(w * (y - yhat)^2)\n",
    ),
    Code(
        "W0204",
        "an input that no gradient reaches",
        "The prediction (the second input) changes the value only through a comparison, a filter, "
        "an\nindex, argmax, rank, rounding or stop_gradient, so that nothing can be learned by it. "
        "It is also\nsaid of an only input, and of a further one that is only rounded.",
        "mean(indicator(y * yhat < 0))\n",
        "mean(softplus(-y * yhat))\n",
    ),
    Code(
        "W0205",
        "a reduction that reduces nothing",
        "Without a list a reduction takes every index that is left. The inner one here has taken\n"
        "all elements, those of all samples together, and the outer one finds a single number.",
        "mean(sum((y - yhat)^2))\n",
        "loss l(y[batch, class], yhat[batch, class]) = mean[batch](sum[class]((y - yhat)^2))\n",
    ),
    Code(
        "W0206",
        "a function of one axis that takes all elements",
        "Inputs without axes have one shape of any rank, and softmax of such an input runs over\n"
        "all elements, those of all samples together. `softmax[...](z)` says that this is meant.",
        "mean(-y * log_softmax(z))\n",
        "loss l(y[batch, class], z[batch, class]) =\n"
        "    mean[batch](-sum[class](y * log_softmax[class](z)))\n",
    ),
    Code(
        "W0207",
        "an index as a divisor",
        "An axis's name is its index, which counts from 0; its length is `size(n)`.",
        "loss l(y[n], yhat[n]) = mean[n](1/n * sum[i]((y[i] - yhat[i])^2))\n",
        "loss l(y[n], yhat[n]) = 1/size(n) * sum[i]((y[i] - yhat[i])^2)\n",
    ),
    Code(
        "W0208",
        "an input that may be a slip",
        "Every free name of a bare formula is an input, also one that is nearly another name or\n"
        "that of a function. Where the inputs are declared, it is an error or meant.",
        "mean((y - yhat)^2 / (1 + yhta^2))\n",
        "mean((y - yhat)^2 / (1 + yhat^2))\n",
    ),
    Code(
        "W0215",
        "a read in a branch that leaves places out",
        "An index takes the places where all that is read is in bounds. What a branch reads "
        "counts only\nwhere its condition does not keep it inside; conditions that are sums of "
        "indices and sizes are\nunderstood, others are not.",
        "loss l(x[b, t]) = mean[b](sum[t](if x[b, t] > 0 then x[b, t+1] else 1))\n",
        "loss l(x[b, t]) = mean[b](sum[t](if t < size(t) - 1 then x[b, t+1] else 1))\n",
    ),
    Code(
        "W0216",
        "a term that loses places to one that is shifted",
        "An index takes the places where all terms of a sum are in bounds. A term that is read "
        "at the\nindex itself is then left out at an end. Two sums have all places of each.",
        "loss l(e[b, t], x[b, t]) = mean[b](sum[t](abs(e[b, t]) + abs(x[b, t+1] - x[b, t])))\n",
        "loss l(e[b, t], x[b, t]) =\n"
        "    mean[b](sum[t](abs(e[b, t])) + sum[t](abs(x[b, t+1] - x[b, t])))\n",
    ),
)

AXES: tuple[Code, ...] = (
    Code(
        "E0301",
        "shapes that do not line up",
        "Inputs declared without axes share one shape, and `...` stands for the same "
        "axes in every\n"
        "input. Nothing is broadcast by position: (N,) against (N, 1) is an error, not N x N.",
        wrong="y = np.ones(3)\nlossc.std.mse(y, y[:, None])",
        right="y = np.ones(3)\nlossc.std.mse(y, y)",
    ),
    Code(
        "E0302",
        "a loss that is not one number",
        "A loss is a scalar: every axis must be reduced.",
        "loss l(y[batch, class], yhat[batch, class]) = mean[batch]((y - yhat)^2)\n",
        "loss l(y[batch, class], yhat[batch, class]) = mean[batch, class]((y - yhat)^2)\n",
    ),
    Code(
        "E0303",
        "an unknown axis",
        "Axes are named where inputs and params are declared; `...` must be declared too.",
        "loss l(y[batch], z[batch, class]) = mean[batch](y - z[clas=0])\n",
        "loss l(y[batch], z[batch, class]) = mean[batch](y - z[class=0])\n",
    ),
    Code(
        "E0304",
        "a wrong number of slots",
        "Brackets after a tensor hold one slot for each axis; `...` or names leave the "
        "others alone.",
        "loss l(y[batch], z[batch, class]) = mean[batch](y - z[0])\n",
        "loss l(y[batch], z[batch, class]) = mean[batch](y - z[batch, 0])\n",
    ),
    Code(
        "E0305",
        "an index that nothing binds",
        "A fresh index belongs to the reduction, or to the definition, that lists it.",
        "loss l(s[item]) = sum[i](s[i] - s[j])\n",
        "loss l(s[item]) = sum[i, j](s[i] - s[j])\n",
    ),
    Code(
        "E0306",
        "an index of unknown range",
        "The range of a fresh index comes from the slots it is used in, or is written out.",
        "loss l(s[item]) = sum[item, k](s * k)\n",
        "loss l(s[item]) = sum[item, k in 0..9](s * k)\n",
    ),
    Code(
        "E0307",
        "an axis reduced twice",
        "Inside the outer reduction nothing is left of the axis.",
        "loss l(z[batch, class]) = mean[batch, class](sum[class](z))\n",
        "loss l(z[batch, class]) = mean[batch](sum[class](z))\n",
    ),
    Code(
        "E0308",
        "one index over axes of unequal size",
        "An index used in two slots ranges over both axes, so they must have one length.",
        "loss l(a[x=2], b[z=3]) = sum[i](a[i] * b[i])\n",
        "loss l(a[x=3], b[z=3]) = sum[i](a[i] * b[i])\n",
    ),
    Code(
        "E0309",
        "a shift that leaves nothing",
        "A shifted index takes the places at which every access is inside its axis; here are none.",
        "loss l(a[x=2]) = sum[x](a[x+3] - a[x])\n",
        "loss l(a[x=4]) = sum[x](a[x+3] - a[x])\n",
    ),
    Code(
        "E0310",
        "a place outside an axis",
        "Places count from 0 to the size less 1.",
        "loss l(y[batch], out[batch, 2]) = mean[batch](y - out[batch, 2])\n",
        "loss l(y[batch], out[batch, 2]) = mean[batch](y - out[batch, 1])\n",
    ),
    Code(
        "E0311",
        "a reduction that must be given a list",
        "Without a list it reduces every free index. Where its body has an index that a list or a\n"
        "definition around it binds, spelt out or by a bare name, that would be a guess. The same\n"
        "holds for a function or definition that reduces all it finds and is used there.",
        "loss l(y[batch, class], p[batch, class]) = mean[batch](sqrt(mean((y - p)^2)))\n",
        "loss l(y[batch, class], p[batch, class]) = mean[batch](sqrt(mean[class]((y - p)^2)))\n",
    ),
    Code(
        "E0312",
        "slots for what has no order of axes",
        "A definition without brackets, or an expression, has axes but no order of them.",
        "loss l(y[item], z[item]) = sum[i, j](e[i] * y[j])\nwhere\n    e = y - z\n",
        "loss l(y[item], z[item]) = sum[i, j](e[item=i] * y[j])\nwhere\n    e = y - z\n",
    ),
    Code(
        "E0313",
        "a function along an axis that is not named",
        "softmax, cumsum, sort and their like run along one axis.",
        "loss l(y[batch, class], z[batch, class]) = mean(y * softmax(z))\n",
        "loss l(y[batch, class], z[batch, class]) = mean(y * softmax[class](z))\n",
    ),
    Code(
        "E0314",
        "an argument without the axis that a function declares",
        "The axes that a function declares bind those of the same name in its argument.",
        "def total(x[class]) = sum[class](x)\nloss l(y[batch, k]) = mean[batch](total(2 * y))\n",
        "def total(x[class]) = sum[class](x)\n"
        "loss l(y[batch, class]) = mean[batch](total(2 * y))\n",
    ),
    Code(
        "E0315",
        "slots for an input without axes",
        "An input declared without axes may have any shape; name its axes to index it.",
        "loss l(y, z) = mean(y - z[0])\n",
        "loss l(y[batch], z[batch, class]) = mean[batch](y - z[batch, 0])\n",
    ),
    Code(
        "E0316",
        "an index listed twice",
        "A list of indices names each once.",
        "loss l(s[item]) = sum[i, i](s[i])\n",
        "loss l(s[item]) = sum[i](s[i])\n",
    ),
    Code(
        "E0317",
        "a range that is not known when compiled",
        "The bounds of a range are integers, integer params and sizes.",
        "loss l(s[item]) = sum[item, k in 0..s](s * k)\n",
        "loss l(s[item]; n = 9) = sum[item, k in 0..n](s * k)\n",
    ),
    Code(
        "E0318",
        "a list or filter without effect",
        "Each index of a list stands in the body or in the filter, and a filter on a mean, max or\n"
        "var of what is the same at every place changes nothing.",
        "loss l(y[batch], z[batch, class]) = mean[batch](y - sum[class](y)) + mean(z)\n",
        "loss l(y[batch], z[batch, class]) = mean[batch](y - sum[class](z))\n",
    ),
    Code(
        "E0319",
        "an axis without a name that is not read by place",
        "Terms are aligned by the names of their axes. The second axis of `out[batch, 2]` has no\n"
        "name, so it is read by place: `out[batch, 0]`.",
        "loss l(y[batch, 2], p[batch, 2]) = mean((y - p)^2)\n",
        "loss l(y[batch, d=2], p[batch, d=2]) = mean((y - p)^2)\n",
    ),
    Code(
        "E0320",
        "a bare name beside the indices of a definition",
        "In the body of `d[i, k] = ...` a bare `y` still means `y[batch, t]`, at its own axes. It\n"
        "follows the indices of the definition where these have the axes' names.",
        "loss l(y[batch, t]) = sum[i, k](d[i, k+1] - d[i, k])\nwhere\n    d[i, k] = y^2\n",
        "loss l(y[batch, t]) = sum[i, k](d[i, k+1] - d[i, k])\nwhere\n    d[i, k] = y[i, k]^2\n",
    ),
    Code(
        "E0321",
        "bars of a norm",
        "`|x|` is the absolute value of each element, so `||x||` would be that again. The norm is\n"
        "`norm(x)`, along an axis `norm[class](x)`.",
        "mean(||y - yhat||^2)\n",
        "loss l(y[batch, dim], yhat[batch, dim]) = mean[batch](norm[dim](y - yhat)^2)\n",
    ),
)

KINDS: tuple[Code, ...] = (
    Code(
        "E0401",
        "a condition where a number is wanted",
        "true and false are no numbers; indicator(c) is 1 or 0.",
        "mean(y > yhat)\n",
        "mean(indicator(y > yhat) * (y - yhat)^2)\n",
    ),
    Code(
        "E0402",
        "a number where a condition is wanted",
        "A filter, an `if` and `and`, `or`, `not` take conditions.",
        "mean(if y then yhat else 0)\n",
        "mean(if y > 0 then yhat else 0)\n",
    ),
    Code(
        "E0403",
        "a label that is not an integer",
        "What stands in a slot must be an integer by its domain.",
        "loss ce(y[batch], z[batch, class]) = mean[batch](-z[batch, y])\n",
        "loss ce(y[batch], z[batch, class]) = mean[batch](-z[batch, y])\nwhere\n"
        "    y in index(class)\n",
    ),
    Code(
        "E0404",
        "none where a number is wanted",
        "`none` is equal to no number, and can only be compared with == and !=.",
        "loss l(y, yhat; skip = none) = mean((y - yhat)^2 + skip)\n",
        "loss l(y, yhat; skip = none) = mean((y - yhat)^2 + indicator(y == skip))\n",
    ),
    Code(
        "E0405",
        "a power that is too large",
        "Numbers are exact until a loss is compiled, so a power is written out in full.",
        "mean((y - yhat)^2) + 9^9^9^9\n",
        "mean((y - yhat)^2) + 9^9\n",
    ),
    Code(
        "E0406",
        "branches of different kinds",
        "Both branches of an `if` are numbers, or both conditions.",
        "mean(if y > 0 then yhat else yhat > 0)\n",
        "mean(if y > 0 then yhat else indicator(yhat > 0))\n",
    ),
    Code(
        "E0407",
        "a derivative that the language cannot say",
        "Third derivatives of lgamma need functions that it does not have.",
    ),
)
