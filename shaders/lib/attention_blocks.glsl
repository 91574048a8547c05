// attention_blocks.glsl - attention of many queries that share keys, where an invocation is a
// thread of a processor, and its compiler makes vectors of loops; included by attention.comp.
//
// A workgroup is one invocation. It takes a split of the keys for QUERIES queries that share a KV
// head: the heads of a row that do so and then those of the next rows. Queries are the lanes of
// vectors, so that scores, maxima and sums are of whole vectors and nothing is added up across one.
// A tile's keys become floats once for all queries, then its values do. Products are made for two
// vectors of queries and BLOCK keys (or elements of values) at a time, whose sums stay in
// registers.
//
// Neighbouring rows of one sequence make a run, whose keys are gone over together; each query sees
// only its own.
layout(constant_id = 4) const uint QUERIES = 32u; // a multiple of PAIR
layout(constant_id = 5) const uint BLOCK = 4u;
// LANES here: floats of a vector. TILE is a multiple of BLOCK.

const uint PAIR = 2u * LANES; // queries whose sums are made in one pass
const uint PAIRS = QUERIES / PAIR;
// Elements read at once.
const uint STEP = HEAD_DIM % 16u == 0u ? 16u : HEAD_DIM % 8u == 0u ? 8u : 2u;
const uint ELEMENTS = (HEAD_DIM + BLOCK - 1u) / BLOCK * BLOCK;

float query[QUERIES * HEAD_DIM]; // [PAIRS][HEAD_DIM][PAIR], scaled
float part[TILE * ELEMENTS];     // keys or values of a tile: [TILE][ELEMENTS]
float score[QUERIES * TILE];     // [PAIRS][TILE][PAIR]; then the weights
float sums[QUERIES * ELEMENTS];  // [PAIRS][ELEMENTS][PAIR], of the weighted values
float greatest[QUERIES];         // score so far
float divisor[QUERIES], shrink[QUERIES];
int begin[QUERIES], end[QUERIES]; // keys that a query sees in this run

// What this workgroup is for: queries `first` to first + n of those of kv_head.
struct Task {
    uint split, kv_head, first, n, heads; // heads: that share a KV head
};

Task find_task(uint group)
{
    Task task;
    task.heads = n_heads / n_kv_heads;
    uint total = n_rows * task.heads;
    task.split = group % n_splits;
    group /= n_splits;
    task.kv_head = group % n_kv_heads;
    task.first = min(group / n_kv_heads * QUERIES, total);
    task.n = min(QUERIES, total - task.first);
    return task;
}

uint row_of(Task task, uint i)
{
    return (task.first + i) / task.heads;
}

uint head_of(Task task, uint i)
{
    return task.kv_head * task.heads + (task.first + i) % task.heads;
}

void load_queries(Task task)
{
    [[dont_unroll]] for (uint i = 0u; i < QUERIES; i++) {
        uint to = i / PAIR * HEAD_DIM * PAIR + i % PAIR;
        uint from = min(i, task.n - 1u); // lanes without a query see no keys
        from = row_of(task, from) * q_stride + head_of(task, from) * HEAD_DIM;
        [[dont_unroll]] for (uint e = 0u; e < HEAD_DIM; e++)
            query[to + e * PAIR] = scale * q[from + e];
        greatest[i] = -3e38;
        divisor[i] = 0.0;
    }
    [[dont_unroll]] for (uint i = 0u; i < QUERIES * ELEMENTS; i++)
        sums[i] = 0.0;
}

// The queries from `i` on that are of its sequence: returns the one after them, and the keys that
// any of them sees.
uint find_run(Task task, uint i, out uvec2 keys)
{
    uint sequence = rows[row_of(task, i)].w, next = i;
    keys = uvec2(0xffffffffu, 0u);
    [[dont_unroll]] for (uint l = 0u; l < QUERIES; l++) {
        begin[l] = 0;
        end[l] = 0;
    }
    while (next < task.n && rows[row_of(task, next)].w == sequence) {
        uvec2 seen = key_range(row_of(task, next), task.split);
        if (seen.x < seen.y)
            keys = uvec2(min(keys.x, seen.x), max(keys.y, seen.y));
        begin[next] = int(seen.x);
        end[next] = int(seen.y);
        next++;
    }
    return next;
}

// The tile's keys, or values, as floats. The last of them stands for those that would fill up a
// block.
#define READ_TILE(words, parts, n)                                                                 \
    for (uint t = 0u; t < (n + BLOCK - 1u) / BLOCK * BLOCK; t++) {                                 \
        uint vector = place[min(t, n - 1u)];                                                       \
        [[dont_unroll]] for (uint e = 0u; e < HEAD_DIM; e += STEP) {                               \
            uint from = lane_base(CACHE_LANES(vector, e / 8u) + e % 8u);                           \
            uint to = lane_base(t * ELEMENTS + e);                                                 \
            float factor = CACHE_SCALE(words, vector, e / 8u);                                     \
            [[dont_unroll]] for (uint l = 0u; l < STEP; l++)                                       \
                part[to + l] = factor * CACHE_FLOAT(parts[from + l]);                              \
        }                                                                                          \
    }

// Products of pair `pair` of vectors of queries with keys t to t + BLOCK of the tile.
void multiply_keys(uint pair, uint t)
{
    float products[BLOCK * PAIR];
    [[unroll]] for (uint i = 0u; i < 2u * BLOCK; i++) {
        LANE_LOOP for (uint l = 0u; l < LANES; l++)
            products[i * LANES + l] = 0.0;
    }
    [[dont_unroll]] for (uint e = 0u; e < HEAD_DIM; e++) {
        uint at = lane_base((pair * HEAD_DIM + e) * PAIR), key = lane_base(t * ELEMENTS + e);
        LANE_LOOP for (uint l = 0u; l < LANES; l++) {
            float first = query[at + l], second = query[at + LANES + l];
            [[unroll]] for (uint k = 0u; k < BLOCK; k++) {
                float element = part[key + k * ELEMENTS];
                products[k * PAIR + l] += element * first;
                products[k * PAIR + LANES + l] += element * second;
            }
        }
    }
    uint to = lane_base((pair * TILE + t) * PAIR);
    [[unroll]] for (uint i = 0u; i < 2u * BLOCK; i++) {
        LANE_LOOP for (uint l = 0u; l < LANES; l++)
            score[to + i * LANES + l] = products[i * LANES + l];
    }
}

// Add elements e to e + BLOCK of the weighted values of the tile's n keys.
void add_values(uint pair, uint e, uint n)
{
    float totals[BLOCK * PAIR];
    uint to = lane_base((pair * ELEMENTS + e) * PAIR), mine = lane_base(pair * PAIR);
    [[unroll]] for (uint i = 0u; i < 2u * BLOCK; i++) {
        LANE_LOOP for (uint l = 0u; l < LANES; l++)
            totals[i * LANES + l] = sums[to + i * LANES + l] * shrink[mine + i % 2u * LANES + l];
    }
    [[dont_unroll]] for (uint t = 0u; t < n; t++) {
        uint at = lane_base((pair * TILE + t) * PAIR), value = lane_base(t * ELEMENTS + e);
        LANE_LOOP for (uint l = 0u; l < LANES; l++) {
            float first = score[at + l], second = score[at + LANES + l];
            [[unroll]] for (uint k = 0u; k < BLOCK; k++) {
                float element = part[value + k];
                totals[k * PAIR + l] += element * first;
                totals[k * PAIR + LANES + l] += element * second;
            }
        }
    }
    [[unroll]] for (uint i = 0u; i < 2u * BLOCK; i++) {
        LANE_LOOP for (uint l = 0u; l < LANES; l++)
            sums[to + i * LANES + l] = totals[i * LANES + l];
    }
}

// What score_of() does to a product besides the scale, for a vector of queries from `i` on and n
// keys from `first` on.
void cap_scores(Task task, uint i, uint first, uint n)
{
    uint at = lane_base(i / PAIR * TILE * PAIR + i % PAIR);
    if (softcap != 0.0) {
        for (uint t = 0u; t < n; t++) {
            LANE_LOOP for (uint l = 0u; l < LANES; l++)
                score[at + t * PAIR + l] = softcap * lane_tanh(score[at + t * PAIR + l] / softcap);
        }
    }
    if ((FLAGS & BIAS) != 0u) {
        for (uint l = 0u; l < min(LANES, task.n - min(i, task.n)); l++) {
            int position = int(rows[row_of(task, i + l)].y);
            uint biases = head_of(task, i + l) * (2u * reach + 1u) + reach;
            for (uint t = 0u; t < n; t++) {
                int distance = clamp(int(first + t) - position, -int(reach), int(reach));
                score[at + t * PAIR + l] += bias[biases + uint(distance)];
            }
        }
    }
}

// Scores to weights, for a vector of queries from `i` on and n keys from `first` on; and what that
// does to the sums so far. Keys that a query does not see get the weight 0.
void weigh(uint i, uint first, uint n)
{
    uint mine = lane_base(i), base = i / PAIR * TILE * PAIR + i % PAIR;
    float most[LANES], total[LANES];
    LANE_LOOP for (uint l = 0u; l < LANES; l++)
        most[l] = greatest[mine + l];
    [[dont_unroll]] for (uint t = 0u; t < n; t++) {
        uint at = lane_base(base + t * PAIR);
        int key = int(first + t);
        LANE_LOOP for (uint l = 0u; l < LANES; l++) {
            bool seen = key >= begin[mine + l] && key < end[mine + l];
            most[l] = max(most[l], mix(-3e38, score[at + l], seen));
        }
    }
    LANE_LOOP for (uint l = 0u; l < LANES; l++) {
        shrink[mine + l] = lane_exp(greatest[mine + l] - most[l]);
        greatest[mine + l] = most[l];
        total[l] = divisor[mine + l] * shrink[mine + l];
    }
    [[dont_unroll]] for (uint t = 0u; t < n; t++) {
        uint at = lane_base(base + t * PAIR);
        int key = int(first + t);
        LANE_LOOP for (uint l = 0u; l < LANES; l++) {
            bool seen = key >= begin[mine + l] && key < end[mine + l];
            float w = mix(0.0, lane_exp(score[at + l] - most[l]), seen);
            score[at + l] = w;
            total[l] += w;
        }
    }
    LANE_LOOP for (uint l = 0u; l < LANES; l++)
        divisor[mine + l] = total[l];
}

void write_query(Task task, uint i)
{
    uint at = output_at(row_of(task, i), head_of(task, i), task.split);
    uint from = i / PAIR * ELEMENTS * PAIR + i % PAIR;
    float factor = output_factor(divisor[i]);
    [[dont_unroll]] for (uint e = 0u; e < HEAD_DIM; e++)
        y[at + e] = sums[from + e * PAIR] * factor;
    if (n_splits != 1u) {
        y[at + HEAD_DIM] = greatest[i];
        y[at + HEAD_DIM + 1u] = divisor[i];
    }
}

// A tile of n keys from `first` on, for all queries.
void add_tile(Task task, uint table, uint first, uint n)
{
    find_keys(table, task.kv_head, first, n);
    READ_TILE(key_cache, key_parts, n)
    for (uint pair = 0u; pair < PAIRS; pair++) {
        for (uint t = 0u; t < n; t += BLOCK)
            multiply_keys(pair, t);
    }
    for (uint i = 0u; i < QUERIES; i += LANES) {
        cap_scores(task, i, first, n);
        weigh(i, first, n);
    }
    READ_TILE(value_cache, value_parts, n)
    for (uint pair = 0u; pair < PAIRS; pair++) {
        for (uint e = 0u; e < HEAD_DIM; e += BLOCK)
            add_values(pair, e, n);
    }
}

void main()
{
    Task task = find_task(group_index());
    if (task.n == 0u)
        return; // past the end
    load_queries(task);
    uint next = 0u;
    while (next < task.n) {
        uint table = rows[row_of(task, next)].w * max_pages;
        uvec2 keys;
        next = find_run(task, next, keys);
        for (uint first = keys.x; first < keys.y; first += TILE)
            add_tile(task, table, first, min(TILE, keys.y - first));
    }
    for (uint i = 0u; i < task.n; i++)
        write_query(task, i);
}
