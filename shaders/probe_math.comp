// probe_math.comp - multiply and add as fast as the device does: chains that do not wait for
// memory, and as many of them that none waits for the one before.
//
// Bindings and parameters: struct smr_probe_math_push in kernel.h. An invocation computes one
// element of the result. With USE_RUNS a workgroup is one invocation, and chains are the lanes of
// vectors.
#include "lib/reduce.glsl"

layout(set = 0, binding = 0) readonly buffer In { float values[]; };
layout(set = 0, binding = 1) writeonly buffer Out { float results[]; };

layout(push_constant) uniform Push {
    uint n_out, n_rounds;
    float factor, addend;
};

const uint CHAINS = 192u; // SMR_PROBE_CHAINS of kernel.h

#ifdef USE_RUNS

layout(constant_id = 1) const uint LANES = 8u; // of a vector
const uint VECTORS = 12u;                      // at a time: they stay in registers

void main()
{
    uint element = group_index();
    if (element >= n_out)
        return;
    float sum = 0.0;
    [[dont_unroll]] for (uint first = 0u; first < CHAINS; first += VECTORS * LANES) {
        float chains[VECTORS * LANES];
        [[unroll]] for (uint k = 0u; k < VECTORS; k++) {
            [[dont_unroll, dependency_infinite]] for (uint l = 0u; l < LANES; l++)
                chains[k * LANES + l] = values[element] + float(first + k * LANES + l);
        }
        [[dont_unroll]] for (uint r = 0u; r < n_rounds; r++) {
            [[dont_unroll, dependency_infinite]] for (uint l = 0u; l < LANES; l++) {
                [[unroll]] for (uint k = 0u; k < VECTORS; k++)
                    chains[k * LANES + l] = fma(chains[k * LANES + l], factor, addend);
            }
        }
        [[unroll]] for (uint k = 0u; k < VECTORS; k++) {
            [[dont_unroll, dependency_infinite]] for (uint l = 0u; l < LANES; l++)
                sum += chains[k * LANES + l];
        }
    }
    results[element] = sum;
}

#else

const uint QUADS = 6u; // of chains at a time: registers are few where subgroups are wide

void main()
{
    uint element = group_index() * WORKGROUP_SIZE + gl_LocalInvocationID.x;
    if (element >= n_out)
        return;
    vec4 sum = vec4(0.0);
    [[dont_unroll]] for (uint first = 0u; first < CHAINS; first += 4u * QUADS) {
        vec4 chains[QUADS];
        [[unroll]] for (uint k = 0u; k < QUADS; k++)
            chains[k] = values[element] + float(first + 4u * k) + vec4(0.0, 1.0, 2.0, 3.0);
        [[dont_unroll]] for (uint r = 0u; r < n_rounds; r += 4u) { // what counts rounds is little
            [[unroll]] for (uint k = 0u; k < 4u * QUADS; k++)
                chains[k % QUADS] = fma(chains[k % QUADS], vec4(factor), vec4(addend));
        }
        [[unroll]] for (uint k = 0u; k < QUADS; k++)
            sum += chains[k];
    }
    results[element] = sum.x + sum.y + sum.z + sum.w;
}

#endif
