"""Losses that use every construct of the language, for the tests of the front end."""

from __future__ import annotations

BARE = 'mean(w * (y - ŷ)²)  # weighted\nwhere\n    w in [0, inf)  "weights"\n'

HUBER = '''"""Huber loss: quadratic near zero, linear in the tails (Huber 1964)."""
loss huber(y, yhat; delta = 1) =
    mean(if abs(e) <= delta then e^2 / 2 else delta * (abs(e) - delta / 2))
where
    delta > 0             "half-width of the quadratic zone"
    e = y - yhat
claims
    huber >= 0
    convex in yhat
    lipschitz in yhat by delta
    huber(1, 0; delta = 2) == 1 / 2
    zero iff y == yhat
    symmetric in y, yhat
    invariant under shift of y, yhat
    elicits quantile(1 / 2)
    limit delta -> inf equals mse / 2
    equals std.regression.huber
    proper
'''

DICE = """# two losses and a helper
use std.regression: huber, mse
use "shared.loss": smooth_abs

loss soft_dice(y[batch, ...], p[batch, ...]; s = 1 in (0, inf)) =
    mean[batch](1 - (2 * sum[...](y * p) + s) / (sum[...](y) + sum[...](p) + s))
where  y in {0, 1};  p in [0, 1]

def area(b[side=4], c[], d[2]; q[k] = [0.1, -0.5], on = true, none_ = none) =
    max(b[side=2], 0) * √c + d[0]   # trailing
where
    s[i, j] = sum[u in -3..3, v if u != v and not u > 3](b[side=u+3])
    f(x; t = 2) = -|x|^t
    y in index(vocab) or {-1}
    p in simplex[class] or one_hot[class]
    n in 0..size(level)
    d "two numbers"
"""

LOSSES = (BARE, HUBER, DICE)
