#include "kernel/twin/twin.h"

// The same function; only the shaders differ, in how they reuse what they have read.
void smr_twin_matmul(const struct smr_twin_args *args)
{
    smr_twin_matvec(args);
}
