// teams.glsl - how matvec for GPUs is laid over invocations (lib/wide.glsl, lib/dot.glsl).
//
// A row is cut into spans of 64 columns that begin with a word, and an invocation takes a span at a
// time, all of it unrolled. The workgroup's invocations are LANES along the columns times as many
// teams as that leaves; each team has OUT_ROWS rows of weights of its own.
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_shuffle : require

layout(local_size_x_id = 0, local_size_y = 1, local_size_z = 1) in;
layout(constant_id = 1) const uint N_ROWS = 1u;
layout(constant_id = 2) const uint OUT_ROWS = 4u;
layout(constant_id = 3) const uint LANES = 32u; // a power of two
layout(constant_id = 4) const uint SUBGROUP = 32u; // invocations of a subgroup, all of them there

const uint N_PRODUCTS = OUT_ROWS * N_ROWS; // product o * N_ROWS + r
// With NORM, sums of squares of the rows of x are taken along the way, and come after them.
const uint N_SUMS = N_PRODUCTS + (FUSED >> 2 & 1u) * N_ROWS;
const uint FIRST_SQUARES = N_SUMS - N_ROWS;
const uint SHUFFLED = LANES < SUBGROUP ? LANES : SUBGROUP; // lanes that are added up by shuffling
const uint TEAM_PARTS = LANES / SHUFFLED;

shared float parts[N_SUMS * gl_WorkGroupSize.x / SHUFFLED]; // of each team, of each of its subgroups

const uint SPAN_COLUMNS = 64u;

// Add to the sums what span u of these rows makes.
void add_span(uint row[OUT_ROWS], uint u, inout float sums[N_SUMS]);

// Sum i of a team.
float total(uint team, uint i)
{
    float sum = 0.0;
    for (uint j = 0u; j < TEAM_PARTS; j++)
        sum += parts[(team * TEAM_PARTS + j) * N_SUMS + i];
    return sum;
}

// Add up the lanes' sums and store what they make, from row `first` of weights on.
void finish_team(float sums[N_SUMS], uint me, uint first)
{
    [[unroll]] for (uint i = 0u; i < N_SUMS; i++) {
        float sum = sums[i];
        [[unroll]] for (uint step = 1u; step < SHUFFLED; step *= 2u)
            sum += subgroupShuffleXor(sum, step);
        if (me % SHUFFLED == 0u)
            parts[me / SHUFFLED * N_SUMS + i] = sum;
    }
    barrier();
    uint team = me / LANES;
    for (uint i = me % LANES; i < N_PRODUCTS; i += LANES) {
        uint o = i / N_ROWS, r = i % N_ROWS;
        float factor = NORMED ? norm_factor(total(team, FIRST_SQUARES + r)) : 1.0;
        if (!GATED)
            store_sum(first + o, r, factor * total(team, i));
        else if ((o & 1u) == 0u)
            store_gated(first + o, r, factor * total(team, i), factor * total(team, i + N_ROWS));
    }
}

void multiply_team()
{
    const uint TEAMS = gl_WorkGroupSize.x / LANES;
    uint me = gl_SubgroupID * SUBGROUP + gl_SubgroupInvocationID;
    uint group = gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x;
    uint first = (group * TEAMS + me / LANES) * OUT_ROWS;
    if (group * TEAMS * OUT_ROWS >= push.n_out)
        return;
#ifdef PREPARE_WEIGHTS
    prepare_weights();
#endif

    uint row[OUT_ROWS]; // first byte; the last row stands in for those that are not there
    [[unroll]] for (uint o = 0u; o < OUT_ROWS; o++)
        row[o] = row_of(min(first + o, push.n_out - 1u));
    float sums[N_SUMS];
    [[unroll]] for (uint i = 0u; i < N_SUMS; i++)
        sums[i] = 0.0;
    for (uint u = me % LANES; u < push.n_cols / SPAN_COLUMNS; u += LANES)
        add_span(row, u, sums);
    finish_team(sums, me, first);
}
