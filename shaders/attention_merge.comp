// attention_merge.comp - put the partial results of split attention together.
//
//   m = max over splits of m_s;  out = sum of exp(m_s - m) sum_s / sum of exp(m_s - m) divisor_s
//
// Bindings and parameters: struct smr_attention_merge_push in kernel.h. One workgroup for a (row,
// head); an invocation takes every WORKGROUP_SIZE-th element and goes over all splits.
#include "lib/reduce.glsl"

layout(set = 0, binding = 0) readonly buffer Partial { float partial[]; };
layout(set = 0, binding = 1) writeonly buffer Out { float y[]; };

layout(push_constant) uniform Push {
    uint n_rows, n_heads, head_dim, n_splits, out_stride;
};

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
    for (uint i = gl_LocalInvocationID.x; i < head_dim; i += WORKGROUP_SIZE) {
        float sum = 0.0;
        for (uint s = 0u; s < n_splits; s++) {
            uint at = from + s * size;
            sum += partial[at + i] * exp(partial[at + head_dim] - maximum);
        }
        y[to + i] = sum * factor;
    }
}
