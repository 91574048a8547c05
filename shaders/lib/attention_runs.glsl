// attention_runs.glsl - attention where an invocation is a thread of a processor, and its compiler
// makes vectors of loops (see lib/runs.glsl); included by attention.comp.
//
// A workgroup is one invocation and takes a split of the keys of one row, for HEADS heads that share
// a KV head: each key and value is converted once for all of them. Innermost loops go over the lanes
// of a vector, along memory. Several keys are gone over together, so that sums do not wait for each
// other and those of the values are not loaded and stored for each key.
layout(constant_id = 4) const uint HEADS = 1u;

const uint KEYS = HEADS >= 4u ? 2u : 4u; // of one pass over the scores; TILE is a multiple of 4

const uint WHOLE = HEAD_DIM / 8u, REST = HEAD_DIM % 8u; // octets, and elements after them

float query[HEADS * HEAD_DIM];
float score[HEADS * TILE];
float sums[HEADS * HEAD_DIM]; // of the weighted values

// The weights of absent keys are 0, but what they are multiplied with must be some key of this tile.
uint place_of(uint t, uint n)
{
    return place[min(t, n - 1u)];
}

// Where a tile's keys begin, and who asks.
struct Tile {
    uint first, position, head;
};

// Scores of keys first_t to first_t + KEYS of a tile of n.
void multiply_keys(Tile tile, uint first_t, uint n)
{
    uint base[KEYS];
    [[unroll]] for (uint t = 0u; t < KEYS; t++)
        base[t] = place_of(first_t + t, n);
    float products[HEADS * KEYS * 8u];
    [[unroll]] for (uint i = 0u; i < HEADS * KEYS; i++) {
        [[dont_unroll]] for (uint l = 0u; l < 8u; l++)
            products[i * 8u + l] = 0.0;
    }
    [[dont_unroll]] for (uint o = 0u; o < WHOLE; o++) {
        uint at[KEYS], column = min(8u * o, HEAD_DIM); // see lane_base()
        float scales[KEYS];
        [[unroll]] for (uint t = 0u; t < KEYS; t++) {
            at[t] = lane_base(CACHE_LANES(base[t], o));
            scales[t] = CACHE_SCALE(key_cache, base[t], o);
        }
        [[dont_unroll]] for (uint l = 0u; l < 8u; l++) {
            [[unroll]] for (uint t = 0u; t < KEYS; t++) {
                float key = scales[t] * CACHE_FLOAT(key_parts[at[t] + l]);
                [[unroll]] for (uint h = 0u; h < HEADS; h++)
                    products[(h * KEYS + t) * 8u + l] += key * query[h * HEAD_DIM + column + l];
            }
        }
    }
    [[unroll]] for (uint i = 0u; i < HEADS * KEYS; i++) {
        float sum = 0.0;
        [[dont_unroll]] for (uint l = 0u; l < 8u; l++)
            sum += products[i * 8u + l];
        for (uint l = 0u; l < REST; l++)
            sum += CACHE_SCALE(key_cache, base[i % KEYS], WHOLE) *
                   CACHE_FLOAT(key_parts[CACHE_LANES(base[i % KEYS], WHOLE) + l]) *
                   query[i / KEYS * HEAD_DIM + 8u * WHOLE + l];
        uint t = first_t + i % KEYS;
        score[i / KEYS * TILE + t] =
            score_of(sum, tile.head + i / KEYS, tile.position, tile.first + t);
    }
}

// Scores to weights, for head h and a tile of n keys; and what that does to the sums so far.
void weigh(uint h, uint n, inout float maximum, inout float divisor)
{
    float before = maximum;
    for (uint t = 0u; t < n; t++)
        maximum = max(maximum, score[h * TILE + t]);
    float shrink = exp(before - maximum);
    divisor *= shrink;
    for (uint t = 0u; t < n; t++) {
        float w = exp(score[h * TILE + t] - maximum);
        score[h * TILE + t] = w;
        divisor += w;
    }
    for (uint t = n; t < (n + 3u & ~3u); t++)
        score[h * TILE + t] = 0.0;
    [[dont_unroll]] for (uint e = 0u; e < HEAD_DIM; e++)
        sums[h * HEAD_DIM + e] *= shrink;
}

// Add the weighted values of keys first_t to first_t + 4.
void add_values(uint first_t, uint n)
{
    uint base[4];
    [[unroll]] for (uint t = 0u; t < 4u; t++)
        base[t] = place_of(first_t + t, n);
    [[dont_unroll]] for (uint o = 0u; o < WHOLE; o++) {
        uint at[4], column = min(8u * o, HEAD_DIM); // see lane_base()
        float scales[4];
        [[unroll]] for (uint t = 0u; t < 4u; t++) {
            at[t] = lane_base(CACHE_LANES(base[t], o));
            scales[t] = CACHE_SCALE(value_cache, base[t], o);
        }
        [[dont_unroll]] for (uint l = 0u; l < 8u; l++) {
            float values[4];
            [[unroll]] for (uint t = 0u; t < 4u; t++)
                values[t] = scales[t] * CACHE_FLOAT(value_parts[at[t] + l]);
            [[unroll]] for (uint h = 0u; h < HEADS; h++) {
                uint w = h * TILE + first_t;
                sums[h * HEAD_DIM + column + l] += score[w] * values[0] + score[w + 1u] * values[1] +
                                                   score[w + 2u] * values[2] +
                                                   score[w + 3u] * values[3];
            }
        }
    }
    for (uint l = 0u; l < REST; l++) {
        for (uint t = 0u; t < 4u; t++) {
            float value = CACHE_SCALE(value_cache, base[t], WHOLE) *
                          CACHE_FLOAT(value_parts[CACHE_LANES(base[t], WHOLE) + l]);
            for (uint h = 0u; h < HEADS; h++)
                sums[h * HEAD_DIM + 8u * WHOLE + l] += score[h * TILE + first_t + t] * value;
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
        query[e] = q[from + e];
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
            multiply_keys(Tile(first, rows[row].y, head), t, n);
        [[dont_unroll]] for (uint h = 0u; h < HEADS; h++)
            weigh(h, n, maximum[h], divisor[h]);
        for (uint t = 0u; t < n; t += 4u)
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
