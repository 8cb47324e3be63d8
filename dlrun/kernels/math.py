"""Elementary functions as polynomials, vectorised with the loop around them; the same bits on every machine with FMA.

Bounds are in units in the last place (ulp) against the correctly rounded result; tests walk the float32 range.
In float64 (used for checks, not for speed) they call the C library.
"""

from __future__ import annotations

from dlrun.kernels.lang import Primitive

exp = Primitive("dlrun.kernels.polynomials:exp")
"""exp(x): below -87.3 the result is 0, above 88.7 infinity; 2 ulp."""
log = Primitive("dlrun.kernels.polynomials:log")
"""log(x) for normal positive x; 2 ulp."""
tanh = Primitive("dlrun.kernels.polynomials:tanh")
"""tanh(x); 4 ulp."""
sigmoid = Primitive("dlrun.kernels.polynomials:sigmoid")
"""1 / (1 + exp(-x)); 4 ulp."""
