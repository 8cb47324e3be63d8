"""Elementary functions as polynomials, vectorised with the loop around them; the same bits on every machine with FMA.

Bounds are in units in the last place (ulp) of the float32 nearest to the true result; tests walk the float32 range.
Subnormal numbers count as zero, in and out, as everywhere in a step. Infinities give the functions' limits, NaN gives
NaN. In float64 (used for checks, not for speed) they call the C library.
"""

from __future__ import annotations

from dlrun.kernels.lang import Primitive, helper, real

exp = Primitive("dlrun.kernels.polynomials:exp")
"""exp(x): below -87.3 the result is 0, above 88.7 infinity; 2 ulp."""
expm1 = Primitive("dlrun.kernels.polynomials:expm1")
"""exp(x) - 1, exact near 0; 3 ulp."""
log = Primitive("dlrun.kernels.polynomials:log")
"""log(x): -infinity at 0, NaN below; 2 ulp."""
log1p = Primitive("dlrun.kernels.polynomials:log1p")
"""log(1 + x), exact near 0; 4 ulp."""
tanh = Primitive("dlrun.kernels.polynomials:tanh")
"""tanh(x); 4 ulp."""
sigmoid = Primitive("dlrun.kernels.polynomials:sigmoid")
"""1 / (1 + exp(-x)); 4 ulp."""
softplus = Primitive("dlrun.kernels.polynomials:softplus")
"""log(1 + exp(x)) = max(x, 0) + log1p(exp(-|x|)); 4 ulp."""
erf = Primitive("dlrun.kernels.polynomials:erf")
"""The error function 2 / sqrt(pi) * integral of exp(-t²) from 0 to x; 3 ulp."""
sqrt = Primitive("dlrun.kernels.polynomials:sqrt")
"""The square root, correctly rounded; NaN below 0."""
normal_quantile = Primitive("dlrun.kernels.polynomials:normal_quantile")
"""The standard normal number at the quantile u of [0, 1), moved to the middle of its 2**-24.

Turns uniform numbers into normal ones that end at ±5.4: sqrt(2) erfinv(2 u - 1), to 4e-6 of itself, with M. Giles,
Approximating the erfinv function (GPU Computing Gems, 2011), table 5; the same polynomials in float64.
"""


@helper
def rsqrt(x):  # type: ignore[no-untyped-def]
    """1 / sqrt(x): infinity at 0, NaN below; 1.5 ulp: two correctly rounded operations, the same on every machine."""
    return real(1) / sqrt(x)
