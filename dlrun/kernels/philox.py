"""Random numbers as a function of counters: Philox 4x32-10, in the kernel language.

J. K. Salmon, M. A. Moraes, R. O. Dror & D. E. Shaw, Parallel random numbers: as easy as 1, 2, 3 (SC 2011), section 3.3.
A 64-bit key and a 128-bit counter give four 32-bit words; nothing is remembered from one draw to the next, so neither
the order of the draws, nor the threads, nor an interruption can change them.

A draw's key is made from the run's seed, the node and the purpose (`emit.random_key`); it is counted by the step, the
sample's row within the step, and the entry within the sample. Entries are drawn 32 at a time, which fills the vectors:

    uniform_block(u, key, step, row, block)    u[i] is the draw of entry 32 * block + i, in [0, 1)

float32 takes the upper 24 bits of an entry's word, float64 all 32 of them: so both precisions drop the same units.
Measured, AVX2, float32: 0.8 ns a number; as a loop over scalars, which LLVM doesn't vectorise, 3.5 ns.
"""

from dlrun.kernels.lang import Primitive, helper, real, select
from dlrun.kernels.math import log, sqrt

UNIFORMS = 32
"""Numbers that uniform_block writes."""

uniform_block = Primitive("dlrun.kernels.philox_vectors:uniform_block")
"""uniform_block(u, key, step, row, block): write the 32 numbers of a block of a sample's entries to u, in [0, 1)."""


@helper
def uniform(words, key, step, row, entry):  # type: ignore[no-untyped-def]
    """Return one entry's draw in [0, 1); `words` has room for 32 reals."""
    uniform_block(words, key, step, row, entry // UNIFORMS)
    return words[entry % UNIFORMS]


@helper
def normal_of(u):  # type: ignore[no-untyped-def]
    """Return the standard normal number at the quantile u of [0, 1), moved to the middle of its 2**-24.

    sqrt(2) erfinv(2 u - 1), with M. Giles, Approximating the erfinv function (GPU Computing Gems, 2011), table 5:
    relative error below 1e-6 in the centre and 4e-6 in the tails, which end at 5.3 standard deviations. The same
    polynomials in float64.
    """
    x = real(2) * u - real(1) + real(5.9604644775390625e-08)
    w = -log((real(1) - x) * (real(1) + x))
    near, far = w - real(2.5), sqrt(w) - real(3)
    p = real(2.81022636e-08)
    p = p * near + real(3.43273939e-07)
    p = p * near + real(-3.5233877e-06)
    p = p * near + real(-4.39150654e-06)
    p = p * near + real(0.00021858087)
    p = p * near + real(-0.00125372503)
    p = p * near + real(-0.00417768164)
    p = p * near + real(0.246640727)
    p = p * near + real(1.50140941)
    q = real(-0.000200214257)
    q = q * far + real(0.000100950558)
    q = q * far + real(0.00134934322)
    q = q * far + real(-0.00367342844)
    q = q * far + real(0.00573950773)
    q = q * far + real(-0.0076224613)
    q = q * far + real(0.00943887047)
    q = q * far + real(1.00167406)
    q = q * far + real(2.83297682)
    return real(1.4142135623730951) * x * select(w < real(5), p, q)
