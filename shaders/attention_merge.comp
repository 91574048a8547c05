// attention_merge.comp - put the partial results of split attention together.
//
//   m = max over splits of m_s;  out = sum of exp(m_s - m) sum_s / sum of exp(m_s - m) divisor_s
//
// Bindings and parameters: struct smr_attention_merge_push in kernel.h. One workgroup for a (row,
// head); an invocation takes every WORKGROUP_SIZE-th element and goes over all splits.
#include "lib/reduce.glsl"

layout(set = 0, binding = 0) readonly buffer Partial { float partial[]; };
layout(set = 0, binding = 1) buffer Out { float y[]; };

layout(push_constant) uniform Push {
    uint n_rows, n_heads, head_dim, n_splits, out_stride;
};

#ifdef USE_RUNS
#include "lib/lane_base.glsl"

// A workgroup is one invocation and goes over the splits, adding up in place.
void add_split(uint from, uint to, float weight, bool first)
{
    if (first) {
        for (uint i = 0u; i < head_dim; i++)
            y[to + i] = weight * partial[from + i];
    } else {
        for (uint i = 0u; i < head_dim; i++)
            y[to + i] += weight * partial[from + i];
    }
}
#endif

void main()
{
    uint group = group_index();
    if (group >= n_rows * n_heads)
        return;
    uint size = head_dim + 2u;
    uint from = group * n_splits * size;
    uint to = group / n_heads * out_stride + group % n_heads * head_dim;

    float maximum = -3e38, divisor = 0.0;
    for (uint s = 0u; s < n_splits; s++)
        maximum = max(maximum, partial[from + s * size + head_dim]);
    for (uint s = 0u; s < n_splits; s++) {
        uint at = from + s * size + head_dim;
        divisor += partial[at + 1u] * exp(partial[at] - maximum);
    }
    float factor = divisor > 0.0 ? 1.0 / divisor : 0.0;
#ifdef USE_RUNS
    for (uint s = 0u; s < n_splits; s++) {
        uint at = from + s * size;
        add_split(lane_base(at), lane_base(to), factor * exp(partial[at + head_dim] - maximum), s == 0u);
    }
#else
    for (uint i = gl_LocalInvocationID.x; i < head_dim; i += WORKGROUP_SIZE) {
        float sum = 0.0;
        for (uint s = 0u; s < n_splits; s++) {
            uint at = from + s * size;
            sum += partial[at + i] * exp(partial[at + head_dim] - maximum);
        }
        y[to + i] = sum * factor;
    }
#endif
}
