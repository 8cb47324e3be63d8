"""The Gaussian error linear unit and its slope: x P(x) and P(x) + x P'(x), with the normal distribution's P.

P - 1/2 and the slope less 1/2 are odd and end at ±1/2, from where on GELU is x or 0. Their polynomials are own fits at
Chebyshev nodes of each segment; the first ones have odd terms alone, so that they are exact near 0 too.
P - 1/2 is within 3 ulp, the slope's within 4. In float64 (used for checks, not for speed) the C library is called.
Imported only when a kernel is compiled.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

from numba import types
from numba.extending import intrinsic

from dlrun.kernels.pipeline import linked
from dlrun.kernels.segments import Segments, Table, each_entry, lanes_of_lookup
from dlrun.kernels.target import Target

PROBABILITY: Table = (
    (0.0, 0.15957691, 0.0, -0.004255316, 0.0, 0.00010140291),
    (0.15542173, 0.14730805, -0.011784252, -0.003299666, 0.00044204845, 6.454694e-05),
    (0.2881446, 0.11587662, -0.018539844, -0.0011124415, 0.000578964, -1.0361877e-05),
    (0.38493034, 0.077674426, -0.018641736, 0.000911332, 0.00038641942, -5.8586043e-05),
    (0.4452007, 0.044368334, -0.014198009, 0.001845699, 8.481314e-05, -5.4706677e-05),
    (0.47724986, 0.021596387, -0.008638748, 0.0017277176, -0.00011311543, -2.3107525e-05),
    (0.49180245, 0.008957812, -0.004299851, 0.0011370608, -0.0001571499, 2.9216749e-06),
    (0.49744487, 0.0031661806, -0.0017730702, 0.0005775206, -0.00011432665, 1.1671452e-05),
    (0.49931285, 0.00095363526, -0.00061030017, 0.00023497721, -5.919892e-05, 9.427576e-06),
    (0.4998409, 0.0002447608, -0.0001762043, 7.806081e-05, -2.3653452e-05, 4.883275e-06),
    (0.49996832, 5.3532112e-05, -4.2813757e-05, 2.1411368e-05, -7.5501493e-06, 1.8771468e-06),
    (0.49999458, 9.976999e-06, -8.775413e-06, 4.884022e-06, -1.9613408e-06, 5.644887e-07),
    (0.4999992, 1.584523e-06, -1.519926e-06, 9.3103404e-07, -4.193547e-07, 1.3629243e-07),
    (0.4999999, 2.1444228e-07, -2.2274968e-07, 1.4884621e-07, -7.43488e-08, 2.6822892e-08),
    (0.5, 2.4730657e-08, -2.7649754e-08, 2.0009274e-08, -1.0987422e-08, 4.3448365e-09),
    (0.5, 0.0, 0.0, 0.0, 0.0, 0.0),
)
SLOPE: Table = (
    (0.0, 0.31915382, 0.0, -0.017020995, 0.0, 0.00060697115),
    (0.30272976, 0.27104682, -0.04525005, -0.011413607, 0.0025238981, 0.00031968055),
    (0.5198978, 0.1575922, -0.062292732, 0.00021723428, 0.0027834692, -0.00020312172),
    (0.6179536, 0.04349768, -0.047723293, 0.008298163, 0.0010536935, -0.0004144828),
    (0.62267405, -0.024846267, -0.020446582, 0.008715547, -0.0006650387, -0.00023116631),
    (0.58523184, -0.043192774, -1.1199201e-06, 0.0046073883, -0.0011398542, 2.5943888e-05),
    (0.54554933, -0.033681374, 0.007567516, 0.00075075956, -0.00069796294, 0.000120995275),
    (0.51960814, -0.018490495, 0.0068089445, -0.0008937478, -0.00016431756, 8.075762e-05),
    (0.5069419, -0.007857954, 0.0038087054, -0.0009454688, 8.029328e-05, 2.0635425e-05),
    (0.5020437, -0.0026825778, 0.0015790667, -0.00053028134, 0.000101278165, -6.6850994e-06),
    (0.50050366, -0.0007494492, 0.0005138889, -0.00021127792, 5.616473e-05, -9.064375e-06),
    (0.5001043, -0.00017320055, 0.00013483253, -6.4726395e-05, 2.1314561e-05, -4.7601375e-06),
    (0.50001824, -3.3338314e-05, 2.8950722e-05, -1.5782794e-05, 6.11664e-06, -1.6717127e-06),
    (0.5000027, -5.3696226e-06, 5.134604e-06, -3.120893e-06, 1.3832107e-06, -4.3896668e-07),
    (0.50000036, -7.260897e-07, 7.5692964e-07, -5.062346e-07, 2.5192656e-07, -9.016004e-08),
    (0.5, -8.282227e-08, 8.65481e-08, -1.018858e-07, 0.0, 0.0),
)
HALF = 0.5
ROOT, DENSITY = math.sqrt(0.5), 1 / math.sqrt(2 * math.pi)


@cache
def _forward(width: int) -> Any:
    @intrinsic  # type: ignore[untyped-decorator]
    def entries(typingctx: Any, x: Any, y: Any, count: Any) -> Any:
        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            def emit(lanes: Segments, i: Any) -> None:
                x = lanes.load(args[0], i)
                magnitude = lanes.magnitude(x)
                part = lanes.of_magnitude(PROBABILITY, magnitude)
                half = builder.fmul(x, lanes.constant(HALF))
                lanes.store(lanes.multiply_add(magnitude, part, half), args[1], i)

            each_entry(builder, width, args[2], emit)
            return context.get_dummy_value()

        return types.void(x, y, types.int64), codegen

    return entries


@cache
def _backward(width: int) -> Any:
    @intrinsic  # type: ignore[untyped-decorator]
    def entries(typingctx: Any, x: Any, dy: Any, dx: Any, count: Any) -> Any:
        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            def emit(lanes: Segments, i: Any) -> None:
                x, dy = lanes.load(args[0], i), lanes.load(args[1], i)
                part = lanes.of_magnitude(SLOPE, lanes.magnitude(x))
                slope = builder.fadd(lanes.constant(HALF), lanes.with_sign_of(x, part))
                lanes.store(builder.fmul(dy, slope), args[2], i)

            each_entry(builder, width, args[3], emit)
            return context.get_dummy_value()

        return types.void(x, dy, dx, types.int64), codegen

    return entries


@linked()
def _forward64(x, y, count):
    for i in range(count):
        y[i] = x[i] * (HALF + HALF * math.erf(x[i] * ROOT))


@linked()
def _backward64(x, dy, dx, count):
    for i in range(count):
        v = x[i]
        dx[i] = dy[i] * (HALF + HALF * math.erf(v * ROOT) + v * DENSITY * math.exp(-HALF * v * v))


def gelu_entries(target: Target) -> Any:
    """Return y[i] = x[i] P(x[i])."""
    return _forward(lanes_of_lookup(target)) if target.precision == "float32" else _forward64


def gelu_gradient_entries(target: Target) -> Any:
    """Return dx[i] = dy[i] (P(x[i]) + x[i] P'(x[i]))."""
    return _backward(lanes_of_lookup(target)) if target.precision == "float32" else _backward64
