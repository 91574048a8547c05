// attention_tiles.glsl - attention of prompts on GPUs: products of matrices by way of shared
// memory; included by attention.comp.
//
// QUERIES queries go over the keys in tiles of TILE. An invocation makes the scores of SUB_Q
// queries with SUB_K keys and, of the same queries, the sums of weighted values of SUB_V quads of
// elements:
//   1. where the tile's keys lie, through the page table
//   2. dot products: queries and keys are brought to shared memory CHUNK quads of elements at a time
//   3. scores; the maxima of LANES invocations, which have the same queries, are put together; the
//      weights exp(s - max) take the place of queries and keys in shared memory
//   4. values are brought there KEYS keys at a time
// Neighbouring rows of one sequence make a run, whose keys are gone over together; each query sees
// only its own.
layout(constant_id = 7) const uint KEYS = 16u; // a divisor of TILE

const uint CHUNK = 8u, CHUNK_ROW = CHUNK + 1u; // a gap: neighbouring rows are in other banks
const uint N_CHUNKS = (OCTETS * 2u + CHUNK - 1u) / CHUNK;
const uint N_Q = WORKGROUP_SIZE / LANES;
const uint SUB_Q = QUERIES / N_Q; // a multiple of 4
const uint QUADS_Q = SUB_Q / 4u;
const uint SUB_K = TILE / LANES;
const uint SUB_V = (OCTETS * 2u + LANES - 1u) / LANES, VALUE_ROW = SUB_V * LANES;

// In quads: queries [QUERIES][CHUNK_ROW] and keys [TILE][CHUNK_ROW], or weights [TILE][QUADS] and
// values [KEYS][VALUE_ROW]; between the two, in place of values, the greatest scores of each
// invocation's keys [LANES][QUADS].
const uint QUADS = QUERIES / 4u; // of queries
const uint KEYS_AT = QUERIES * CHUNK_ROW, VALUES_AT = TILE * QUADS, MAXIMA_AT = VALUES_AT;
const uint CHUNKS_END = KEYS_AT + TILE * CHUNK_ROW, VALUES_END = VALUES_AT + KEYS * VALUE_ROW;
shared vec4 tile[CHUNKS_END > VALUES_END ? CHUNKS_END : VALUES_END];
shared uint place[TILE];       // of a key's and a value's vector in the cache, in words
// What is rare is in shared memory and not in registers, of which Intel's GPUs have few.
shared uint query_at[QUERIES];  // element of q, or ABSENT
shared uint result_at[QUERIES]; // element of y
shared uvec4 about[QUERIES];   // keys that a query sees, as key_range() says it; position; sequence
shared uvec2 source;           // of the run: its table of pages, and the KV head
// Of four queries each:
shared uvec4 first_seen[QUADS], n_seen[QUADS]; // of the keys of the run
shared vec4 greatest[QUADS]; // score so far
shared vec4 shrink[QUADS];   // exp(old maximum - new maximum); in the end divisors
shared vec4 divisors[LANES * QUADS]; // of the keys of each invocation

const float UNSEEN = -3e38;

vec4 scores[SUB_K * QUADS_Q]; // [SUB_K][SUB_Q]
vec4 sums[SUB_Q * SUB_V];     // [SUB_Q][SUB_V]

uint my_lane()
{
    return gl_LocalInvocationID.x % LANES;
}

uint my_quad() // the first of QUADS_Q
{
    return gl_LocalInvocationID.x / LANES * QUADS_Q;
}

void find_queries(Task task)
{
    for (uint i = gl_LocalInvocationID.x; i < QUERIES; i += WORKGROUP_SIZE) {
        uint row = task.first_row + i / HEADS, head = task.first_head + i % HEADS;
        bool present = has_query(task, i);
        query_at[i] = present ? row * q_stride + head * HEAD_DIM : ABSENT;
        result_at[i] = output_at(row, head, task.split);
        about[i] = uvec4(0u);
        if (i / HEADS < task.n_rows)
            about[i] = uvec4(key_range(row, task.split), rows[row].y, rows[row].w);
        greatest[i / 4u][i % 4u] = UNSEEN;
    }
}

// The rows from `begin` on that are of its sequence, counted from the task's first: returns the one
// after them, and the keys that any of them sees.
uint find_run(Task task, uint begin, out uvec2 keys)
{
    uint sequence = about[begin * HEADS].w, next = begin;
    keys = uvec2(0xffffffffu, 0u);
    [[dont_unroll]] for (uint r = 0u; r < ROWS; r++) {
        uvec4 row = about[r * HEADS];
        if (r == next && r < task.n_rows && row.w == sequence) {
            next++;
            if (row.x < row.y)
                keys = uvec2(min(keys.x, row.x), max(keys.y, row.y));
        }
    }
    for (uint i = gl_LocalInvocationID.x; i < QUERIES; i += WORKGROUP_SIZE) {
        bool in_run = i >= begin * HEADS && i < next * HEADS && query_at[i] != ABSENT;
        first_seen[i / 4u][i % 4u] = about[i].x;
        n_seen[i / 4u][i % 4u] = in_run ? about[i].y - about[i].x : 0u;
    }
    if (gl_LocalInvocationID.x == 0u)
        source = uvec2(sequence * max_pages, task.kv_head);
    return next;
}

// Step 1. `n` keys from `first` on, the last of them again where there are none.
void find_keys(uint first, uint n)
{
    for (uint t = gl_LocalInvocationID.x; t < TILE; t += WORKGROUP_SIZE)
        place[t] = place_of(source.x, source.y, first + min(t, n - 1u));
}

// Zeros past head_dim and for absent queries.
void bring_queries(uint chunk)
{
    for (uint i = gl_LocalInvocationID.x; i < QUERIES * CHUNK; i += WORKGROUP_SIZE) {
        uint n = i / CHUNK, e = 4u * (chunk * CHUNK + i % CHUNK), at = query_at[n] + e;
        vec4 value = vec4(0.0);
        if (query_at[n] != ABSENT) {
            [[unroll]] for (uint j = 0u; j < 4u; j++)
                if (HEAD_DIM % (4u * CHUNK) == 0u || e + j < HEAD_DIM)
                    value[j] = q[at + j];
        }
        tile[n * CHUNK_ROW + i % CHUNK] = value;
    }
}

void bring_keys(uint chunk)
{
    const uint octets = CHUNK / 2u;
    for (uint i = gl_LocalInvocationID.x; i < TILE * octets; i += WORKGROUP_SIZE) {
        uint t = i / octets, o = chunk * octets + i % octets;
        vec4 low = vec4(0.0), high = vec4(0.0);
        if (OCTETS % octets == 0u || o < OCTETS)
            CACHE_LOAD(key_cache, place[t], o, HEAD_DIM, low, high)
        uint at = KEYS_AT + t * CHUNK_ROW + 2u * (i % octets);
        tile[at] = low;
        tile[at + 1u] = high;
    }
}

// Step 2.
void multiply_keys()
{
    [[unroll]] for (uint i = 0u; i < SUB_K * QUADS_Q; i++)
        scores[i] = vec4(0.0);
    [[dont_unroll]] for (uint chunk = 0u; chunk < N_CHUNKS; chunk++) {
        barrier(); // the chunk before, or the values of the tile before, have been read
        bring_queries(chunk);
        bring_keys(chunk);
        barrier();
        [[dont_unroll]] for (uint c = 0u; c < CHUNK; c++) {
            uint key_at = my_lane() * CHUNK_ROW + c % CHUNK + KEYS_AT;
            uint query_at = my_quad() * 4u * CHUNK_ROW + c % CHUNK;
            vec4 key[SUB_K];
            [[unroll]] for (uint k = 0u; k < SUB_K; k++)
                key[k] = tile[key_at + k * LANES * CHUNK_ROW];
            [[unroll]] for (uint i = 0u; i < SUB_Q; i++) {
                vec4 query = tile[query_at + i * CHUNK_ROW];
                [[unroll]] for (uint k = 0u; k < SUB_K; k++)
                    scores[k * QUADS_Q + i / 4u][i % 4u] =
                        add_products(key[k], query, scores[k * QUADS_Q + i / 4u][i % 4u]);
            }
        }
    }
}

// Step 3. The tile begins at key `first`. Keys that a query does not see get the weight 0.
void weigh(Task task, uint first)
{
    uint slot = my_lane() * QUADS + my_quad();
    [[unroll]] for (uint i = 0u; i < QUADS_Q; i++) {
        vec4 maximum = vec4(UNSEEN);
        [[unroll]] for (uint k = 0u; k < SUB_K; k++) {
            uint key = first + my_lane() + k * LANES;
            vec4 s = scores[k * QUADS_Q + i];
            [[unroll]] for (uint j = 0u; j < 4u; j++) {
                uint n = 4u * (my_quad() + i) + j;
                s[j] = score_of(s[j], task.first_head + n % HEADS, about[n].z, key);
            }
            bvec4 seen = lessThan(uvec4(key) - first_seen[my_quad() + i], n_seen[my_quad() + i]);
            s = mix(vec4(UNSEEN), s, seen);
            scores[k * QUADS_Q + i] = s;
            maximum = max(maximum, s);
        }
        tile[MAXIMA_AT + slot + i] = maximum;
    }
    barrier();
    for (uint n = gl_LocalInvocationID.x; n < QUERIES; n += WORKGROUP_SIZE) {
        float before = greatest[n / 4u][n % 4u], maximum = before;
        [[dont_unroll]] for (uint l = 0u; l < LANES; l++)
            maximum = max(maximum, tile[MAXIMA_AT + l * QUADS + n / 4u][n % 4u]);
        shrink[n / 4u][n % 4u] = exp(before - maximum);
        greatest[n / 4u][n % 4u] = maximum;
    }
    barrier();
    [[unroll]] for (uint i = 0u; i < QUADS_Q; i++) {
        vec4 maximum = greatest[my_quad() + i], factor = shrink[my_quad() + i];
        vec4 divisor = divisors[slot + i] * factor;
        [[unroll]] for (uint k = 0u; k < SUB_K; k++) {
            vec4 s = scores[k * QUADS_Q + i];
            vec4 w = mix(exp(s - maximum), vec4(0.0), equal(s, vec4(UNSEEN)));
            tile[(my_lane() + k * LANES) * QUADS + my_quad() + i] = w;
            divisor += w;
        }
        divisors[slot + i] = divisor;
        [[unroll]] for (uint j = 0u; j < 4u * SUB_V; j++)
            sums[i * 4u * SUB_V + j] *= factor[j / SUB_V];
    }
}

void bring_values(uint first)
{
    for (uint i = gl_LocalInvocationID.x; i < KEYS * OCTETS; i += WORKGROUP_SIZE) {
        uint t = i / OCTETS, o = i % OCTETS;
        vec4 low, high;
        CACHE_LOAD(value_cache, place[first + t], o, HEAD_DIM, low, high)
        tile[VALUES_AT + t * VALUE_ROW + 2u * o] = low;
        tile[VALUES_AT + t * VALUE_ROW + 2u * o + 1u] = high;
    }
}

// Step 4. Of `n` keys.
void add_values(uint n)
{
    [[dont_unroll]] for (uint first = 0u; first < n; first += KEYS) {
        if (first != 0u)
            barrier(); // the values before have been read
        bring_values(first);
        barrier();
        [[dont_unroll]] for (uint t = 0u; t < KEYS; t++) {
            uint value_at = t % KEYS * VALUE_ROW + my_lane() + VALUES_AT;
            uint weight_at = (first + t) % TILE * QUADS + my_quad();
            vec4 value[SUB_V];
            [[unroll]] for (uint v = 0u; v < SUB_V; v++)
                value[v] = tile[value_at + v * LANES];
            [[unroll]] for (uint i = 0u; i < QUADS_Q; i++) {
                vec4 w = tile[weight_at + i];
                [[unroll]] for (uint j = 0u; j < 4u; j++) {
                    [[unroll]] for (uint v = 0u; v < SUB_V; v++)
                        sums[(4u * i + j) * SUB_V + v] += w[j] * value[v];
                }
            }
        }
    }
}

// Put the invocations' divisors together.
void add_divisors()
{
    barrier();
    for (uint i = gl_LocalInvocationID.x; i < QUADS; i += WORKGROUP_SIZE) {
        vec4 sum = vec4(0.0);
        [[dont_unroll]] for (uint l = 0u; l < LANES; l++)
            sum += divisors[l * QUADS + i];
        shrink[i] = sum;
    }
    barrier();
}

void write_results()
{
    [[unroll]] for (uint i = 0u; i < SUB_Q; i++) {
        uint n = 4u * my_quad() + i;
        if (query_at[n] == ABSENT)
            continue;
        float divisor = shrink[n / 4u][i % 4u];
        uint at = result_at[n];
        [[unroll]] for (uint v = 0u; v < SUB_V; v++) {
            vec4 result = sums[i * SUB_V + v] * output_factor(divisor);
            uint e = 4u * (my_lane() + v * LANES);
            [[unroll]] for (uint j = 0u; j < 4u; j++)
                if (e + j < HEAD_DIM)
                    y[at + e + j] = result[j];
        }
        if (n_splits != 1u && my_lane() == 0u) {
            y[at + HEAD_DIM] = greatest[n / 4u][i % 4u];
            y[at + HEAD_DIM + 1u] = divisor;
        }
    }
}

void main()
{
    Task task = find_task(group_index());
    if (task.n_rows == 0u)
        return; // the whole workgroup: past the end
    find_queries(task);
    [[unroll]] for (uint i = 0u; i < SUB_Q * SUB_V; i++)
        sums[i] = vec4(0.0);
    [[unroll]] for (uint i = 0u; i < QUADS_Q; i++)
        divisors[my_lane() * QUADS + my_quad() + i] = vec4(0.0);
    barrier();

    uint next = 0u;
    while (next < task.n_rows) {
        uvec2 keys;
        next = find_run(task, next, keys);
        for (uint first = keys.x; first < keys.y; first += TILE) {
            uint n = min(TILE, keys.y - first);
            barrier(); // the tile before is done with its places, and the run is known
            find_keys(first, n);
            multiply_keys();
            barrier(); // keys have been read: weights take their place
            weigh(task, first);
            add_values(n);
        }
    }
    add_divisors();
    write_results();
}
