// attention_runs.glsl - attention where an invocation is a thread of a processor, and its compiler
// makes vectors of loops (see lib/runs.glsl); included by attention.comp.
//
// A workgroup is one invocation and takes a split of the keys of one row, for HEADS heads that
// share a KV head: each key and value is converted once for all of them. Innermost loops go over
// the lanes of a vector, along memory. Several keys are gone over together, so that sums do not
// wait for each other and those of the values are not loaded and stored for each key.
layout(constant_id = 4) const uint HEADS = 1u;
layout(constant_id = 5) const uint KEYS = 4u; // of one pass over the scores
// LANES here: elements of a vector, 8 or 16. TILE is a multiple of KEYS, SCORES and VALUES.

const uint WHOLE = HEAD_DIM / LANES, REST = HEAD_DIM % LANES; // vectors, and elements after them
const uint STEP = LANES / 8u;                                 // octets of a vector
const uint SCORES = 16u;                                      // made to weights at once
const uint VALUES = 8u;                                       // added up at once

float query[HEADS * HEAD_DIM]; // scaled
float score[HEADS * TILE];
float sums[HEADS * HEAD_DIM]; // of the weighted values

// The weights of absent keys are 0, but what they are multiplied with must be some key of this
// tile.
uint place_of(uint t, uint n)
{
    return place[min(t, n - 1u)];
}

// Products of keys first_t to first_t + KEYS of a tile of n.
void multiply_keys(uint first_t, uint n)
{
    uint base[KEYS];
    [[unroll]] for (uint t = 0u; t < KEYS; t++)
        base[t] = place_of(first_t + t, n);
    float products[HEADS * KEYS * LANES];
    [[unroll]] for (uint i = 0u; i < HEADS * KEYS; i++) {
        LANE_LOOP for (uint l = 0u; l < LANES; l++)
            products[i * LANES + l] = 0.0;
    }
    [[dont_unroll]] for (uint o = 0u; o < WHOLE; o++) {
        uint at[KEYS], column = min(LANES * o, HEAD_DIM); // see lane_base()
        float scales[KEYS];
        [[unroll]] for (uint t = 0u; t < KEYS; t++) {
            at[t] = lane_base(CACHE_LANES(base[t], STEP * o));
            scales[t] = CACHE_SCALE(key_cache, base[t], STEP * o);
        }
        LANE_LOOP for (uint l = 0u; l < LANES; l++) {
            [[unroll]] for (uint t = 0u; t < KEYS; t++) {
                float key = scales[t] * CACHE_FLOAT(key_parts[at[t] + l]);
                [[unroll]] for (uint h = 0u; h < HEADS; h++)
                    products[(h * KEYS + t) * LANES + l] += key * query[h * HEAD_DIM + column + l];
            }
        }
    }
    [[unroll]] for (uint i = 0u; i < HEADS * KEYS; i++) {
        float sum = 0.0;
        LANE_LOOP for (uint l = 0u; l < LANES; l++)
            sum += products[i * LANES + l];
        for (uint l = 0u; l < REST; l++)
            sum += CACHE_SCALE(key_cache, base[i % KEYS], STEP * WHOLE) *
                   CACHE_FLOAT(key_parts[CACHE_LANES(base[i % KEYS], STEP * WHOLE) + l]) *
                   query[i / KEYS * HEAD_DIM + LANES * WHOLE + l];
        score[i / KEYS * TILE + first_t + i % KEYS] = sum;
    }
}

// What score_of() does to the products besides the scale, for keys `first` to first + n; `h` is the
// head, of row `row`.
void cap_scores(uint base, uint h, uint row, uint first, uint n)
{
    if (softcap != 0.0) {
        [[dont_unroll]] for (uint t = 0u; t < TILE; t++)
            score[base + t] = softcap * lane_tanh(score[base + t] / softcap);
    }
    if ((FLAGS & BIAS) != 0u) {
        uint biases = h * (2u * reach + 1u) + reach;
        for (uint t = 0u; t < n; t++) {
            int distance = int(first + t) - int(rows[row].y);
            score[base + t] += bias[biases + uint(clamp(distance, -int(reach), int(reach)))];
        }
    }
}

// Scores to weights, for head h and a tile of n keys; and what that does to the sums so far. Keys
// that are not there get the weight 0.
void weigh(uint h, uint n, inout float maximum, inout float divisor)
{
    float before = maximum, most[SCORES], total[SCORES];
    LANE_LOOP for (uint l = 0u; l < SCORES; l++) {
        most[l] = maximum;
        total[l] = 0.0;
    }
    for (uint t = 0u; t < n; t += SCORES) {
        uint at = h * TILE + min(t, TILE);
        LANE_LOOP for (uint l = 0u; l < SCORES; l++)
            most[l] = max(most[l], mix(-3e38, score[at + l], t + l < n));
    }
    vec4 quad = vec4(maximum); // compilers make no vectors of a maximum, for there may be NaN
    [[unroll]] for (uint l = 0u; l < SCORES; l += 4u)
        quad = max(quad, vec4(most[l], most[l + 1u], most[l + 2u], most[l + 3u]));
    maximum = max(max(quad.x, quad.y), max(quad.z, quad.w));
    float shrink = lane_exp(before - maximum);
    for (uint t = 0u; t < n; t += SCORES) {
        uint at = h * TILE + min(t, TILE);
        LANE_LOOP for (uint l = 0u; l < SCORES; l++) {
            float w = mix(0.0, lane_exp(score[at + l] - maximum), t + l < n);
            score[at + l] = w;
            total[l] += w;
        }
    }
    divisor *= shrink;
    LANE_LOOP for (uint l = 0u; l < SCORES; l++)
        divisor += total[l];
    LANE_LOOP for (uint e = 0u; e < HEAD_DIM; e++)
        sums[h * HEAD_DIM + e] *= shrink;
}

// Add the weighted values of keys first_t to first_t + VALUES.
void add_values(uint first_t, uint n)
{
    uint base[VALUES];
    [[unroll]] for (uint t = 0u; t < VALUES; t++)
        base[t] = place_of(first_t + t, n);
    [[dont_unroll]] for (uint o = 0u; o < WHOLE; o++) {
        uint at[VALUES], column = min(LANES * o, HEAD_DIM); // see lane_base()
        float scales[VALUES];
        [[unroll]] for (uint t = 0u; t < VALUES; t++) {
            at[t] = lane_base(CACHE_LANES(base[t], STEP * o));
            scales[t] = CACHE_SCALE(value_cache, base[t], STEP * o);
        }
        LANE_LOOP for (uint l = 0u; l < LANES; l++) {
            float values[VALUES];
            [[unroll]] for (uint t = 0u; t < VALUES; t++)
                values[t] = scales[t] * CACHE_FLOAT(value_parts[at[t] + l]);
            [[unroll]] for (uint h = 0u; h < HEADS; h++) {
                uint w = h * TILE + first_t;
                float even = sums[h * HEAD_DIM + column + l], odd = 0.0;
                [[unroll]] for (uint t = 0u; t < VALUES; t += 2u) {
                    even += score[w + t] * values[t];
                    odd += score[w + t + 1u] * values[t + 1u];
                }
                sums[h * HEAD_DIM + column + l] = even + odd;
            }
        }
    }
    for (uint l = 0u; l < REST; l++) {
        for (uint t = 0u; t < VALUES; t++) {
            float value = CACHE_SCALE(value_cache, base[t], STEP * WHOLE) *
                          CACHE_FLOAT(value_parts[CACHE_LANES(base[t], STEP * WHOLE) + l]);
            for (uint h = 0u; h < HEADS; h++)
                sums[h * HEAD_DIM + LANES * WHOLE + l] += score[h * TILE + first_t + t] * value;
        }
    }
}

void main()
{
    uint shared_heads = n_heads / n_kv_heads, blocks = shared_heads / HEADS;
    uint group = group_index();
    if (group >= n_rows * n_kv_heads * blocks * n_splits)
        return;
    uint split = group % n_splits;
    uint block = group / n_splits % (n_kv_heads * blocks);
    uint row = group / n_splits / (n_kv_heads * blocks);
    uint kv_head = block / blocks, head = block * HEADS;
    uvec2 keys = key_range(row, split);
    uint table = rows[row].w * max_pages;
    uint from = lane_base(row * q_stride + head * HEAD_DIM);
    [[dont_unroll]] for (uint e = 0u; e < HEADS * HEAD_DIM; e++) {
        query[e] = scale * q[from + e];
        sums[e] = 0.0;
    }

    float maximum[HEADS], divisor[HEADS];
    [[dont_unroll]] for (uint h = 0u; h < HEADS; h++) {
        maximum[h] = -3e38;
        divisor[h] = 0.0;
    }
    for (uint first = keys.x; first < keys.y; first += TILE) {
        uint n = min(TILE, keys.y - first);
        find_keys(table, kv_head, first, n);
        for (uint t = 0u; t < n; t += KEYS)
            multiply_keys(t, n);
        [[dont_unroll]] for (uint h = 0u; h < HEADS; h++) {
            cap_scores(h * TILE, head + h, row, first, n);
            weigh(h, n, maximum[h], divisor[h]);
        }
        for (uint t = 0u; t < n; t += VALUES)
            add_values(t, n);
    }

    [[dont_unroll]] for (uint h = 0u; h < HEADS; h++) {
        uint at = lane_base(output_at(row, head + h, split));
        float factor = output_factor(divisor[h]);
        [[dont_unroll]] for (uint e = 0u; e < HEAD_DIM; e++)
            y[at + e] = sums[h * HEAD_DIM + e] * factor;
        if (n_splits != 1u) {
            y[at + HEAD_DIM] = maximum[h];
            y[at + HEAD_DIM + 1u] = divisor[h];
        }
    }
}
