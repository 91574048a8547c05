// pick.comp - of each row: the token of the greatest logit, from the maxima of its chunks; of equal
// ones the first.
//
// Bindings and parameters: struct smr_pick_push in kernel.h; four words of input for a chunk, as
// reduce.comp writes them. One workgroup for a row.
#include "lib/reduce.glsl"

layout(set = 0, binding = 0) readonly buffer In { uint reduced[]; };
layout(set = 0, binding = 1) writeonly buffer Out { uint tokens[]; };

layout(push_constant) uniform Push {
    uint n_chunks, n_rows;
};

const float NONE = -1.0e9; // minus the number of no chunk

void main()
{
    uint row = group_index();
    if (row >= n_rows)
        return; // the whole workgroup
    uint self = gl_LocalInvocationID.x, at = row * n_chunks;
    float best = -3.4e38; // less than any
    uint chunk = n_chunks;
    for (uint i = self; i < n_chunks; i += WORKGROUP_SIZE) {
        float maximum = uintBitsToFloat(reduced[(at + i) * 4u]);
        if (maximum > best) {
            best = maximum;
            chunk = i;
        }
    }
    float greatest = workgroup_max(best);
    bool mine = best == greatest && chunk < n_chunks;
    uint lowest = uint(-workgroup_max(mine ? -float(chunk) : NONE));
    lowest = min(lowest, n_chunks - 1u);
    if (self == 0u)
        tokens[row] = reduced[(at + lowest) * 4u + 1u];
}
