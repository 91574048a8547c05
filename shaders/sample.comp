// sample.comp - the token that a text goes on with, drawn from the logits of its last row.
//
// Bindings and parameters: struct smr_sample_push and struct smr_draw in kernel.h. One workgroup.
//
// Tokens are in order: by descending logit, equal ones by their number. Each stage of sampling
// keeps a beginning of that order, and the draw is the last token of the shortest beginning that
// has a certain share of the probability: so each stage asks with which token the sum of the
// weights so far exceeds a target. That is found without sorting, eleven bits of the order at a
// time: weights are added up in bins, and what lies before and behind the bin that exceeds the
// target is out of the question.
//
// Weights are sums of 64-bit integers, which come out the same in whatever order they are added.
#include "lib/reduce.glsl"
#include "lib/numerics.glsl"

layout(set = 0, binding = 0) readonly buffer In { float logits[]; };
layout(set = 0, binding = 1) readonly buffer Reduced { uint reduced[]; };
layout(set = 0, binding = 2) readonly buffer Draw
{
    uint top_k, top_p;
    float min_p, temperature;
    uint point;
};
layout(set = 0, binding = 3) writeonly buffer Next { uint next[]; };
layout(set = 0, binding = 4) writeonly buffer Drawn { uint drawn[]; };

layout(push_constant) uniform Push { uint n_cols; };

const uint CHUNK = 1024u, MAX_CHUNKS = 512u; // as in kernel.h
const uint NO_TOKEN = 0xffffffffu, ALL = 0xffffffffu;

// What a stage adds up.
const uint CHUNKS = 0u;        // 1 for each chunk, in the order of their maxima: bounds top-k
const uint TOP_K = 1u;         // 1 for each token
const uint TOP_P = 2u;         // its probability
const uint DRAW = 3u;          // that at the temperature, where min-p lets it
const uint NUMBER = 4u;        // 1 for each token with the logit that was drawn, in order of numbers
const uint N_STAGES = 5u;

const uint BINS = 2048u, PART = 8u, PARTS = 16u; // bins of a part, parts of a sixteenth
shared uint bins_low[BINS], bins_high[BINS];
shared uvec2 parts[BINS / PART], sixteenths[16];
shared uint chunk_places[MAX_CHUNKS];

// ---- 64-bit numbers: low and high half ----------------------------------------------------------

uvec2 plus(uvec2 a, uvec2 b)
{
    uint low = a.x + b.x;
    return uvec2(low, a.y + b.y + uint(low < a.x));
}

uvec2 minus(uvec2 a, uvec2 b)
{
    return uvec2(a.x - b.x, a.y - b.y - uint(a.x < b.x));
}

bool exceeds(uvec2 a, uvec2 b)
{
    return a.y > b.y || (a.y == b.y && a.x > b.x);
}

uvec2 times(uvec2 a, uint b)
{
    uint high, low;
    umulExtended(a.x, b, high, low);
    return uvec2(low, a.y * b + high);
}

// a * fraction / 2^32
uvec2 share_of(uvec2 a, uint fraction)
{
    uint high, low, above, unused;
    umulExtended(a.y, fraction, high, low);
    umulExtended(a.x, fraction, above, unused);
    return plus(uvec2(low, high), uvec2(above, 0u));
}

// a / b where that is below 2^20.
uint quotient(uvec2 a, uvec2 b)
{
    uint result = 0u;
    for (uint bit = 1u << 19; bit != 0u; bit >>= 1)
        if (!exceeds(times(b, result | bit), a))
            result |= bit;
    return result;
}

// ---- order and weights -------------------------------------------------------------------------

// A number that grows with the value.
uint rank_of(float value)
{
    uint bits = floatBitsToUint(value);
    if (bits == 0x80000000u)
        bits = 0u; // equal to the other zero
    return (bits >> 31) != 0u ? ~bits : bits | 0x80000000u;
}

float value_of(uint rank)
{
    return uintBitsToFloat((rank >> 31) != 0u ? rank & 0x7fffffffu : ~rank);
}

// Of a value in [0, 1], in units of 2^-44: so the sum of 2^19 of them has room.
uvec2 fixed_of(float value)
{
    float scaled = min(value, 1.0) * 4096.0, whole = floor(scaled);
    return uvec2(uint((scaled - whole) * 4294967296.0), uint(whole));
}

uvec2 weight_of(uint stage, float below) // `below`: value - greatest
{
    if (stage != TOP_P && stage != DRAW)
        return uvec2(1u, 0u);
    float p = exp(below); // of that of the greatest
    if (stage == TOP_P)
        return fixed_of(p);
    return p < min(min_p, 1.0) ? uvec2(0u) : fixed_of(exp(below / temperature));
}

// ---- items -------------------------------------------------------------------------------------

// How far a stage has come: `last` is the last place that the stages before left over; what is
// looked for has the bits of `key` from shift + 11 on.
struct Search {
    uint stage, last;
    uint key, shift;
};

shared uint greatest_rank;

uint place_of(float value)
{
    return greatest_rank - min(greatest_rank, rank_of(value));
}

bool same_begin(Search s, uint key)
{
    return s.shift > 11u || (key ^ s.key) >> (s.shift + 11u) == 0u;
}

// Add an item to its bin, if it is one that is looked at.
void add_item(Search s, uint key, uvec2 weight)
{
    if (!same_begin(s, key))
        return;
    uint bin = key >> s.shift & BINS - 1u;
    uint before = atomicAdd(bins_low[bin], weight.x);
    uint high = weight.y + uint(before + weight.x < before);
    if (high != 0u)
        atomicAdd(bins_high[bin], high);
}

void add_token(Search s, uint token, float greatest)
{
    float value = finite(logits[token]);
    uint place = place_of(value);
    if (s.stage == NUMBER && place == s.last)
        add_item(s, token, uvec2(1u, 0u));
    else if (s.stage != NUMBER && place <= s.last)
        add_item(s, place, weight_of(s.stage, value - greatest));
}

// Fill the bins, and add them up by parts and sixteenths.
void fill_bins(Search s, float greatest)
{
    uint self = gl_LocalInvocationID.x, n_chunks = (n_cols + CHUNK - 1u) / CHUNK;
    barrier(); // the bins before have been read
    for (uint i = self; i < BINS; i += WORKGROUP_SIZE) {
        bins_low[i] = 0u;
        bins_high[i] = 0u;
    }
    barrier();
    if (s.stage == CHUNKS) {
        for (uint c = self; c < n_chunks; c += WORKGROUP_SIZE)
            add_item(s, chunk_places[c], uvec2(1u, 0u));
    } else {
        uint end = s.last; // chunks that begin behind it have nothing to add
        if (s.stage != NUMBER && s.shift <= 11u)
            end = min(end, s.key | (1u << (s.shift + 11u)) - 1u);
        for (uint c = 0u; c < n_chunks; c++)
            if (chunk_places[c] <= end)
                for (uint i = c * CHUNK + self; i < min(c * CHUNK + CHUNK, n_cols);
                     i += WORKGROUP_SIZE)
                    add_token(s, i, greatest);
    }
    barrier();
    for (uint i = self; i < BINS / PART; i += WORKGROUP_SIZE) {
        uvec2 sum = uvec2(0u);
        for (uint j = i * PART; j < i * PART + PART; j++)
            sum = plus(sum, uvec2(bins_low[j], bins_high[j]));
        parts[i] = sum;
    }
    barrier();
    for (uint i = self; i < 16u; i += WORKGROUP_SIZE) {
        uvec2 sum = uvec2(0u);
        for (uint j = i * PARTS; j < i * PARTS + PARTS; j++)
            sum = plus(sum, parts[j]);
        sixteenths[i] = sum;
    }
    barrier();
}

uvec2 sum_of_bins()
{
    uvec2 sum = uvec2(0u);
    for (uint i = 0u; i < 16u; i++)
        sum = plus(sum, sixteenths[i]);
    return sum;
}

// The first bin with which `sum` exceeds `target`; `sum` receives what is before it.
uint find_bin(uvec2 target, inout uvec2 sum)
{
    uint i = 0u, end = 15u;
    for (; i < end && !exceeds(plus(sum, sixteenths[i]), target); i++)
        sum = plus(sum, sixteenths[i]);
    i *= PARTS;
    for (end = i + PARTS - 1u; i < end && !exceeds(plus(sum, parts[i]), target); i++)
        sum = plus(sum, parts[i]);
    i *= PART;
    for (end = i + PART - 1u; i < end; i++) {
        uvec2 with = plus(sum, uvec2(bins_low[i], bins_high[i]));
        if (exceeds(with, target))
            break;
        sum = with;
    }
    return i;
}

// ---- stages ------------------------------------------------------------------------------------

bool is_wanted(uint stage)
{
    switch (stage) {
    case CHUNKS:
        return top_k != 0u && top_k <= (n_cols + CHUNK - 1u) / CHUNK;
    case TOP_K:
        return top_k != 0u && top_k < n_cols;
    case TOP_P:
        return top_p != ALL;
    }
    return true;
}

uvec2 target_of(uint stage, uvec2 total, uint n_before)
{
    if (stage == CHUNKS || stage == TOP_K)
        return uvec2(top_k - 1u, 0u);
    if (stage == NUMBER)
        return uvec2(n_before, 0u);
    uvec2 target = share_of(total, stage == TOP_P ? top_p : point);
    if (stage == TOP_P && (target.x | target.y) != 0u)
        return minus(target, uvec2(1u, 0u)); // it need not be exceeded
    return target;
}

// The greatest logit, and the places of the chunks' maxima.
float begin()
{
    uint self = gl_LocalInvocationID.x, n_chunks = (n_cols + CHUNK - 1u) / CHUNK;
    float best = -3.0e38;
    for (uint c = self; c < n_chunks; c += WORKGROUP_SIZE)
        best = max(best, uintBitsToFloat(reduced[c * 4u]));
    float greatest = workgroup_max(best);
    if (self == 0u)
        greatest_rank = rank_of(greatest);
    barrier();
    for (uint c = self; c < n_chunks; c += WORKGROUP_SIZE)
        chunk_places[c] = place_of(uintBitsToFloat(reduced[c * 4u]));
    barrier();
    return greatest;
}

void main()
{
    float greatest = begin();
    // Of the tokens at the last place: those before the one that was found, and those behind it,
    // which are in bins though they are left out.
    uint n_before = 0u, n_behind = 0u;
    Search s = Search(0u, ALL, 0u, 0u);
    for (; s.stage < N_STAGES; s.stage++) {
        if (!is_wanted(s.stage))
            continue;
        uvec2 target = uvec2(0u), sum = uvec2(0u);
        uint bin = 0u;
        s.key = 0u;
        s.shift = s.stage == NUMBER ? 11u : 22u;
        for (bool first = true;; first = false) {
            fill_bins(s, greatest);
            if (first) {
                float left = value_of(greatest_rank - s.last) - greatest;
                uvec2 behind = n_behind != 0u ? times(weight_of(s.stage, left), n_behind) : uvec2(0u);
                target = target_of(s.stage, minus(sum_of_bins(), behind), n_before);
            }
            bin = find_bin(target, sum);
            s.key |= bin << s.shift;
            if (s.shift == 0u)
                break;
            s.shift -= 11u;
        }
        if (s.stage == NUMBER)
            break;
        s.last = s.key;
        if (s.stage != CHUNKS) {
            uvec2 weight = weight_of(s.stage, value_of(greatest_rank - s.last) - greatest);
            n_before = quotient(minus(target, sum), weight);
            n_behind = quotient(uvec2(bins_low[bin], bins_high[bin]), weight) - n_before - 1u;
        }
    }
    if (gl_LocalInvocationID.x == 0u) {
        uint token = greatest > -3.0e38 ? min(s.key, n_cols - 1u) : NO_TOKEN;
        next[0] = token;
        drawn[0] = token;
    }
}
