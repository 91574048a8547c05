// tiles.glsl - matmul on GPUs: a tile of y for each workgroup, by way of shared memory.
//
// A workgroup makes TILE_O columns and TILE_R rows of y. It goes along the columns of w in steps of
// TILE_C: each invocation brings part of a row of weights and part of a row of x to shared memory,
// stored by column, and then adds to its SUB_O x SUB_R sums out of it. With FETCH_AHEAD the next step
// is on its way from memory meanwhile. Where there are few tiles, PARTS of the invocations share the
// columns of a step, and add up their sums in the end.
//
// With HALF, shared memory holds f16 and products are made and added up in f16, over CHUNK columns
// only; the sums of chunks are f32. x is multiplied with a power of two for each row and chunk, so
// that it is at most 1 and nothing overflows.
#ifdef HALF
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#endif

layout(constant_id = 3) const uint SUB_O = 8u; // multiples of 4
layout(constant_id = 4) const uint SUB_R = 8u;
layout(constant_id = 6) const uint FETCH_AHEAD = 1u; // or 0

// The workgroup's size is (TILE_O / SUB_O) * (TILE_R / SUB_R) * PARTS.
const uint N_O = TILE_O / SUB_O, N_R = TILE_R / SUB_R; // invocations of a part
const uint UNROLLED = 4u; // columns
const uint QUADS_O = SUB_O / 4u, QUADS_R = SUB_R / 4u, N_SUMS = SUB_R * QUADS_O; // of four

#ifdef HALF
#define NUMBER  float16_t
#define NUMBERS f16vec4
shared float scale_x[ROW_CHUNKS * TILE_R]; // [ROW_CHUNKS][TILE_R]
#else
#define NUMBER  float
#define NUMBERS vec4
#endif
shared NUMBER tile_w[TILE_C * TILE_O]; // [TILE_C][TILE_O]
shared NUMBER tile_x[TILE_C * TILE_R]; // [TILE_C][TILE_R]
shared vec4 part_sums[PARTS > 1u ? TILE_O * TILE_R / 4u : 1u];

// What these masks leave as it is compilers then know to be small: places that differ from such a one
// by a constant cost no arithmetic.
const uint MASK_W = TILE_C * TILE_O - 1u, MASK_X = TILE_C * TILE_R - 1u;

#ifdef HALF
// 2^n with magnitude * 2^n in [0.5, 1), and 1 / 2^n; for what is too small or large the nearest n
// whose powers are normal numbers.
vec2 power_for(float magnitude)
{
    uint exponent = clamp(floatBitsToUint(magnitude) >> 23, 24u, 230u);
    return uintBitsToFloat(uvec2(253u - exponent << 23, exponent + 1u << 23));
}
#endif

// Chunk c of row r of the tile.
void store_chunk(uint r, uint c, vec4 x[CHUNK_QUADS])
{
    uint at = c * CHUNK * TILE_R + r & MASK_X;
#ifdef HALF
    vec4 most = abs(x[0]);
    [[unroll]] for (uint i = 1u; i < CHUNK_QUADS; i++)
        most = max(most, abs(x[i]));
    vec2 power = power_for(max(max(most.x, most.y), max(most.z, most.w)));
    scale_x[c * TILE_R + r] = power.y;
    [[unroll]] for (uint i = 0u; i < CHUNK_QUADS; i++)
        x[i] *= power.x;
#endif
    [[unroll]] for (uint i = 0u; i < CHUNK_QUADS; i++) {
        [[unroll]] for (uint e = 0u; e < 4u; e++)
            tile_x[at + (4u * i + e) * TILE_R] = NUMBER(x[i][e]);
    }
}

void store(Task t, Load load)
{
    uint w_at = t.step * 4u * STEP_QUADS * TILE_O + t.o & MASK_W;
    if (W_SHARERS == W_INVOCATIONS || gl_LocalInvocationID.x / TILE_O < W_SHARERS) {
        [[unroll]] for (uint i = 0u; i < MY_STEPS; i++) {
            [[unroll]] for (uint q = 0u; q < STEP_QUADS; q++) {
                vec4 w = quad(load.scales[i / UNIT_STEPS], load.bits[i],
                              (t.step + i) % UNIT_STEPS, q);
                [[unroll]] for (uint e = 0u; e < 4u; e++)
                    tile_w[w_at + (4u * (i * STEP_QUADS + q) + e) * TILE_O] = NUMBER(w[e]);
            }
        }
    }
    if (X_SHARERS == X_INVOCATIONS || gl_LocalInvocationID.x / TILE_R < X_SHARERS) {
        [[unroll]] for (uint c = 0u; c < MY_CHUNKS; c++) {
            vec4 x[CHUNK_QUADS];
            [[unroll]] for (uint i = 0u; i < CHUNK_QUADS; i++)
                x[i] = load.x[c * CHUNK_QUADS + i];
            store_chunk(t.r, t.chunk + c, x);
        }
    }
}

// The quads of columns and rows of the tile that an invocation's sums are for. Neighbours have
// neighbouring ones, 16 bytes each, which is how shared memory is read without conflicts.
#ifdef HALF
const uint FIRST_O = QUADS_O, STEP_O = 4u, FIRST_R = QUADS_R, STEP_R = 4u;
#else
const uint FIRST_O = 1u, STEP_O = 4u * N_O, FIRST_R = 1u, STEP_R = 4u * N_R;
#endif

vec4 sums[N_SUMS]; // [SUB_R][SUB_O]
#ifdef HALF
f16vec4 part[N_SUMS]; // of a chunk
#else
#define part sums
#endif

NUMBERS load_quad_w(uint at)
{
    return NUMBERS(tile_w[at], tile_w[at + 1u], tile_w[at + 2u], tile_w[at + 3u]);
}

NUMBERS load_quad_x(uint at)
{
    return NUMBERS(tile_x[at], tile_x[at + 1u], tile_x[at + 2u], tile_x[at + 3u]);
}

// Add the products of column `k` after that whose first quads are at w_at and x_at.
void multiply_column(uint w_at, uint x_at, uint k)
{
    NUMBERS w[QUADS_O], x[QUADS_R];
    [[unroll]] for (uint i = 0u; i < QUADS_O; i++)
        w[i] = load_quad_w(w_at + k * TILE_O + i * STEP_O);
    [[unroll]] for (uint i = 0u; i < QUADS_R; i++)
        x[i] = load_quad_x(x_at + k * TILE_R + i * STEP_R);
    [[unroll]] for (uint r = 0u; r < SUB_R; r++) {
        [[unroll]] for (uint i = 0u; i < QUADS_O; i++)
            part[r * QUADS_O + i] += w[i] * x[r / 4u][r & 3u];
    }
}

// Add the products of a chunk whose first column is `first` of the tile.
void multiply_chunk(uint first, uint me_o, uint me_r)
{
#ifdef HALF
    [[unroll]] for (uint i = 0u; i < N_SUMS; i++)
        part[i] = NUMBERS(0.0);
#endif
    [[dont_unroll]] for (uint k = first; k < first + CHUNK; k += UNROLLED) {
        uint w_at = 4u * (k * (TILE_O / 4u) + me_o & MASK_W / 4u);
        uint x_at = 4u * (k * (TILE_R / 4u) + me_r & MASK_X / 4u);
        [[unroll]] for (uint i = 0u; i < UNROLLED; i++)
            multiply_column(w_at, x_at, i);
    }
#ifdef HALF
    [[unroll]] for (uint i = 0u; i < QUADS_R; i++) {
        uint at = first / CHUNK * TILE_R + 4u * me_r + i * STEP_R;
        vec4 scale = vec4(scale_x[at], scale_x[at + 1u], scale_x[at + 2u], scale_x[at + 3u]);
        [[unroll]] for (uint j = 0u; j < 4u * QUADS_O; j++)
            sums[i * 4u * QUADS_O + j] += vec4(part[i * 4u * QUADS_O + j]) * scale[j / QUADS_O];
    }
#endif
}

// Add the sums of the other parts to those of part 0, by way of shared memory.
void add_parts(uint part_number, uint place)
{
    for (uint p = 1u; p < PARTS; p++) {
        barrier(); // the part before has been read
        if (part_number == p) {
            [[unroll]] for (uint i = 0u; i < N_SUMS; i++)
                part_sums[i * N_O * N_R + place] = sums[i];
        }
        barrier();
        if (part_number == 0u) {
            [[unroll]] for (uint i = 0u; i < N_SUMS; i++)
                sums[i] += part_sums[i * N_O * N_R + place];
        }
    }
}

void main()
{
    uint first_o = gl_WorkGroupID.x * TILE_O, first_r = gl_WorkGroupID.y * TILE_R;
    uint place = gl_LocalInvocationID.x % (N_O * N_R);
    uint part_number = gl_LocalInvocationID.x / (N_O * N_R);
    uint me_o = place % N_O * FIRST_O, me_r = place / N_O * FIRST_R;
    Task task = find_task(first_o, first_r);
    Load load;
    [[unroll]] for (uint i = 0u; i < N_SUMS; i++)
        sums[i] = vec4(0.0);

    uint u = first_of_split();
    if (FETCH_AHEAD != 0u)
        fetch(task, u, load);
    do {
        if (FETCH_AHEAD == 0u)
            fetch(task, u, load);
        store(task, load);
        barrier();
        if (FETCH_AHEAD != 0u)
            fetch(task, u + TILE_C / UNIT, load);
        [[dont_unroll]] for (uint c = 0u; c < PART_C; c += CHUNK)
            multiply_chunk(part_number * PART_C + c, me_o, me_r);
        barrier();
        u += TILE_C / UNIT;
    } while (!split_ends(u));

    add_parts(part_number, place);
    if (part_number != 0u)
        return;
    [[unroll]] for (uint i = 0u; i < N_SUMS; i++) {
        uint o = first_o + 4u * me_o + i % QUADS_O * STEP_O;
        uint row = i / QUADS_O;
        uint r = first_r + 4u * me_r + row / 4u * STEP_R + row % 4u;
        [[unroll]] for (uint e = 0u; e < 4u; e++)
            store_result(u, o + e, r, sums[i][e]);
    }
}
