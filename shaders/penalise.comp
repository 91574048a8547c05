// penalise.comp - bias and penalties: logits of a few tokens are changed in place.
//
// Bindings and parameters: struct smr_penalise_push and struct smr_draw in kernel.h. One workgroup.
// The last tokens are counted in a table of all tokens, of which each is taken out again by whoever
// comes first.
#extension GL_KHR_memory_scope_semantics : require
#include "lib/reduce.glsl"

layout(set = 0, binding = 0) coherent buffer Logits { float logits[]; };
layout(set = 0, binding = 1) readonly buffer Draw
{
    uint top_k, top_p;
    float min_p, temperature;
    uint point;
    uint n_bias;
    uint n_recent, first_recent;
    float repeat_penalty, presence_penalty, frequency_penalty;
};
layout(set = 0, binding = 2) readonly buffer Bias { uint bias[]; }; // token, bits of a float
layout(set = 0, binding = 3) readonly buffer History { uint history[]; };
layout(set = 0, binding = 4) readonly buffer Last { uint last[]; };
layout(set = 0, binding = 5) coherent buffer Counts { uint counts[]; };

layout(push_constant) uniform Push { uint n_cols; };

uint recent(uint i)
{
    return i + 1u == n_recent ? last[0] : history[first_recent + i];
}

void main()
{
    uint self = gl_LocalInvocationID.x;
    if (group_index() != 0u)
        return;
    for (uint i = self; i < n_bias; i += WORKGROUP_SIZE)
        if (bias[2u * i] < n_cols)
            logits[bias[2u * i]] += uintBitsToFloat(bias[2u * i + 1u]);
    for (uint i = self; i < n_recent; i += WORKGROUP_SIZE)
        if (recent(i) < n_cols)
            atomicAdd(counts[recent(i)], 1u);
    controlBarrier(gl_ScopeWorkgroup, gl_ScopeWorkgroup, gl_StorageSemanticsBuffer,
                   gl_SemanticsAcquireRelease);
    for (uint i = self; i < n_recent; i += WORKGROUP_SIZE) {
        uint token = recent(i);
        uint count = token < n_cols ? atomicExchange(counts[token], 0u) : 0u;
        if (count != 0u) {
            float logit = logits[token];
            logit = logit > 0.0 ? logit / repeat_penalty : logit * repeat_penalty;
            logits[token] = logit - (float(count) * frequency_penalty + presence_penalty);
        }
    }
}
