// matrix_tiles.glsl - matmul by the matrix units of GPUs (GL_KHR_cooperative_matrix): a tile of y for each
// workgroup, by way of shared memory.
//
// As lib/tiles.glsl, but a subgroup makes SUB_O columns and SUB_R rows of y, in square matrices that
// are products of f16 added up in f32. Shared memory holds rows, not columns, with a gap after each,
// so that neighbouring ones are in different banks. x beyond the range of f16 is made its greatest
// number.
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require

layout(constant_id = 3) const uint SUB_O = 32u;
layout(constant_id = 4) const uint SUB_R = 32u;
layout(constant_id = 5) const uint MATRIX = 16u; // rows and columns of a matrix

// The workgroup is (TILE_O / SUB_O) * (TILE_R / SUB_R) subgroups with all their invocations.
const uint N_O = TILE_O / SUB_O, N_R = TILE_R / SUB_R; // subgroups
const uint MATRICES_O = SUB_O / MATRIX, MATRICES_R = SUB_R / MATRIX; // of a subgroup
const uint ROW = TILE_C / 4u + 2u; // of shared memory, in fours

shared f16vec4 tile_w[TILE_O * ROW];
shared f16vec4 tile_x[TILE_R * ROW];
shared float tile_y[N_O * N_R * MATRIX * MATRIX]; // a matrix for each subgroup

#define SUMS coopmat<float, gl_ScopeSubgroup, MATRIX, MATRIX, gl_MatrixUseAccumulator>
#define W    coopmat<float16_t, gl_ScopeSubgroup, MATRIX, MATRIX, gl_MatrixUseB>
#define X    coopmat<float16_t, gl_ScopeSubgroup, MATRIX, MATRIX, gl_MatrixUseA>

void store(Task t, Load load)
{
    if (W_SHARERS == W_INVOCATIONS || gl_LocalInvocationID.x / TILE_O < W_SHARERS) {
        [[unroll]] for (uint i = 0u; i < MY_STEPS; i++) {
            [[unroll]] for (uint q = 0u; q < STEP_QUADS; q++)
                tile_w[t.o * ROW + (t.step + i) * STEP_QUADS + q] =
                    f16vec4(quad(load.scales[i / UNIT_STEPS], load.bits[i],
                                 (t.step + i) % UNIT_STEPS, q));
        }
    }
    if (X_SHARERS == X_INVOCATIONS || gl_LocalInvocationID.x / TILE_R < X_SHARERS) {
        [[unroll]] for (uint i = 0u; i < MY_QUADS; i++)
            tile_x[t.r * ROW + t.chunk * CHUNK_QUADS + i] =
                f16vec4(clamp(load.x[i], -65504.0, 65504.0));
    }
}

void main()
{
    uint first_o = gl_WorkGroupID.x * TILE_O, first_r = gl_WorkGroupID.y * TILE_R;
    uint me_o = gl_SubgroupID % N_O * SUB_O, me_r = gl_SubgroupID / N_O * SUB_R; // of the tile
    Task task = find_task(first_o, first_r);
    SUMS sums[MATRICES_R * MATRICES_O];
    [[unroll]] for (uint i = 0u; i < MATRICES_R * MATRICES_O; i++)
        sums[i] = SUMS(0.0);

    uint u = first_of_split();
    do {
        Load load;
        fetch(task, u, load);
        store(task, load);
        barrier();
        [[unroll]] for (uint c = 0u; c < TILE_C; c += MATRIX) {
            W w[MATRICES_O];
            [[unroll]] for (uint o = 0u; o < MATRICES_O; o++)
                coopMatLoad(w[o], tile_w, (me_o + o * MATRIX) * ROW + c / 4u, ROW,
                            gl_CooperativeMatrixLayoutColumnMajor);
            [[unroll]] for (uint r = 0u; r < MATRICES_R; r++) {
                X x;
                coopMatLoad(x, tile_x, (me_r + r * MATRIX) * ROW + c / 4u, ROW,
                            gl_CooperativeMatrixLayoutRowMajor);
                [[unroll]] for (uint o = 0u; o < MATRICES_O; o++)
                    sums[r * MATRICES_O + o] =
                        coopMatMulAdd(x, w[o], sums[r * MATRICES_O + o]);
            }
        }
        barrier();
        u += TILE_C / UNIT;
    } while (!split_ends(u));

    uint mine = gl_SubgroupID * MATRIX * MATRIX;
    [[unroll]] for (uint i = 0u; i < MATRICES_R * MATRICES_O; i++) {
        coopMatStore(sums[i], tile_y, mine, MATRIX, gl_CooperativeMatrixLayoutRowMajor);
        barrier();
        uint o = first_o + me_o + i % MATRICES_O * MATRIX;
        uint r = first_r + me_r + i / MATRICES_O * MATRIX;
        [[dont_unroll]] for (uint e = gl_SubgroupInvocationID; e < MATRIX * MATRIX;
                             e += gl_SubgroupSize)
            store_result(u, o + e % MATRIX, r + e / MATRIX, tile_y[mine + e]);
        barrier();
    }
}
