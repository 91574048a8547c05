// route.comp - the experts a row is for: those with the greatest logits, and their weights.
//
// Bindings and parameters: struct smr_route_push in kernel.h. One workgroup for a row. It goes over
// all logits once for each choice, taking what comes next after the choice before, in descending
// order and then by number: nothing needs to be marked.
#include "lib/reduce.glsl"
#include "lib/numerics.glsl"

layout(set = 0, binding = 0) readonly buffer In { float logits[]; };
layout(set = 0, binding = 1) buffer Out { uint choices[]; }; // [n_rows, 2, n_used]

layout(push_constant) uniform Push {
    uint n_experts, n_rows, n_used, in_stride;
    uint flags;
};
const uint NORM = 1u;
const float NONE = -1.0e9; // minus the number of no expert

void main()
{
    uint row = group_index(), self = gl_LocalInvocationID.x;
    if (row >= n_rows)
        return; // the whole workgroup
    uint from = row * in_stride, to = row * 2u * n_used;

    float last = 0.0, greatest = 0.0, chosen = 0.0;
    uint last_expert = 0u;
    for (uint k = 0u; k < n_used; k++) {
        float best = -3.4e38, number = NONE; // of this invocation's share
        for (uint e = self; e < n_experts; e += WORKGROUP_SIZE) {
            float value = finite(logits[from + e]);
            bool after = k == 0u || value < last || (value == last && e > last_expert);
            if (after && value > best) {
                best = value;
                number = -float(e);
            }
        }
        last = workgroup_max(best);
        last_expert = uint(-workgroup_max(best == last ? number : NONE));
        greatest = k == 0u ? last : greatest;
        chosen += exp(last - greatest);
        if (self == 0u)
            choices[to + k] = last_expert;
    }
    float sum = chosen;
    if ((flags & NORM) == 0u) {
        float all = 0.0;
        for (uint e = self; e < n_experts; e += WORKGROUP_SIZE)
            all += exp(finite(logits[from + e]) - greatest);
        sum = workgroup_sum(all);
    }
    if (self == 0u) { // who wrote the choices
        for (uint k = 0u; k < n_used; k++) {
            float value = finite(logits[from + choices[to + k]]);
            choices[to + n_used + k] = floatBitsToUint(exp(value - greatest) / sum);
        }
    }
}
