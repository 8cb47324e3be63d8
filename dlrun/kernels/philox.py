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

from dlrun.kernels.lang import Primitive, helper, real

UNIFORMS = 32
"""Numbers that uniform_block writes."""

uniform_block = Primitive("dlrun.kernels.philox_vectors:uniform_block")
"""uniform_block(u, key, step, row, block): write the 32 numbers of a block of a sample's entries to u, in [0, 1)."""


@helper
def whole(u, count):
    """Return a whole number of 0 .. count - 1 from a uniform number."""
    return min(int(u * real(count)), count - 1)


@helper
def uniform(words, key, step, row, entry):
    """Return one entry's draw in [0, 1); `words` has room for 32 reals."""
    uniform_block(words, key, step, row, entry // UNIFORMS)
    return words[entry % UNIFORMS]
