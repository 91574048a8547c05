// kernel.h - the registry: one row per kernel, with its GLSL, its plain C twin, its bindings, its
// parameters and its variants; and the set of kernels compiled for one device.
//
// A kernel is a contract with several implementations: the twin (kernel/twin/NAME.c), which is the
// definition, and one or more variants of shaders/NAME.comp. All take the same bindings and the
// same push constants, written down below. Names of sizes: n_rows counts rows of the batch (one row
// is one token of one sequence), n_cols the elements of a row. Activations are f32, row-major, with
// a stride in elements between rows.
//
// How GLSL is specialised:
//   - #define by the registry, before the source: TYPE_Q4_K and the like for the kernel's type, and
//     what the variant's row says. Each different text is compiled to SPIR-V once and kept on disk.
//   - specialisation constants: workgroup size and other small numbers, at pipeline creation.
//   - push constants: everything that comes from the model's shape.
#pragma once

#include "base/file.h"
#include "device/device.h"

enum smr_kernel_id {
    SMR_KERNEL_EMBED,
    SMR_KERNEL_NORM,
    SMR_KERNEL_NORM_ADD_NORM,
    SMR_KERNEL_MATVEC,
    SMR_KERNEL_MATMUL,
    SMR_KERNEL_MATMUL_MERGE,
    SMR_KERNEL_ROPE_STORE,
    SMR_KERNEL_ATTENTION,
    SMR_KERNEL_ATTENTION_MERGE,
    SMR_KERNEL_ACTIVATE,
    SMR_KERNEL_REDUCE,
    SMR_KERNEL_COPY_PAGES,
    SMR_KERNEL_PICK,
    SMR_KERNEL_PENALISE,
    SMR_KERNEL_SAMPLE,
    SMR_KERNEL_ROUTE,
    SMR_KERNEL_EXPERTS,
    SMR_KERNEL_COMBINE,
    SMR_KERNEL_QUANTIZE,
    SMR_KERNEL_PROBE_READ,
    SMR_KERNEL_PROBE_MATH,
    SMR_N_KERNELS
};

// ---- the kernels' parameters (push constants, std430; all members are 32 bits wide) -------------

// What a row of the batch is: four words per row in the step buffer.
struct smr_row {
    uint32_t token;
    uint32_t position; // in its sequence, from 0
    uint32_t slot;     // of the KV cache, where its key and value go; SMR_NO_SLOT: a padding row
    uint32_t sequence; // row of the page table
};
#define SMR_NO_SLOT UINT32_MAX

// embed: out[i, :] (+)= scale * table[index[i * index_stride + index_offset] - row_begin, :]
// Bindings: 0 table, type [row_count, n_cols]; 1 index, u32; 2 out, f32 [n_rows, n_cols].
// A table may be split by rows: rows outside [0, row_count) are left alone. The subtraction wraps, so
// that a "negative" row_begin leaves out the table's first rows.
enum { SMR_EMBED_ADD = 1 /* out += y */ };
struct smr_embed_push {
    uint32_t n_cols, n_rows;
    uint32_t index_stride, index_offset; // in words: 4 for struct smr_row, 1 for a list
    uint32_t row_begin, row_count;
    uint32_t table_at; // byte of binding 0 where the table begins, a multiple of 4
    uint32_t flags;
    float scale;
};

// norm: RMS norm (arXiv:1910.07467) or layer norm (arXiv:1607.06450) of vectors of n_cols.
//   RMS:   y = x / sqrt(mean(x^2) + eps) * weight
//   LAYER: y = (x - mean(x)) / sqrt(var(x) + eps) * weight + bias
// Each row has n_heads vectors; vector h of row r starts at r * in_stride + h * n_cols, so that
// heads of a wider row can be normed one by one.
// Bindings: 0 in; 1 weight, f32 [n_cols]; 2 bias, f32 [n_cols] (anything without BIAS); 3 out.
enum { SMR_NORM_LAYER = 1, SMR_NORM_BIAS = 2, SMR_NORM_ADD = 4 /* out += y */ };
struct smr_norm_push {
    uint32_t n_cols, n_rows, n_heads;
    uint32_t in_stride, out_stride;
    uint32_t flags;
    float eps;
};

// norm_add_norm: an RMS norm that is added to a residual stream, and the next one, of the sum:
//   y += x / sqrt(mean(x^2) + eps) * weight;  z = y / sqrt(mean(y^2) + eps) * next
// Bindings: 0 x; 1 weight; 2 y (read and written); 3 next; 4 z. x, y and z are f32 [n_rows, n_cols],
// the weights f32 [n_cols].
struct smr_norm_add_norm_push {
    uint32_t n_cols, n_rows;
    float eps;
};

// matvec (n_rows 1 to 8) and matmul (any n_rows):
//   y[r, out_offset + o] = sum over c of w[o, c] * x[r, c]  (+ bias[out_offset + o])  (+ y before)
// Bindings: 0 w, type [n_out, n_cols]; 1 x, f32; 2 bias, f32 (anything without BIAS); 3 y, f32; of
// matvec also 4 norm, f32 [n_cols] (anything without NORM).
//
// matvec may have several matrices of one type and n_cols, whose rows count as those of one: queries,
// keys and values, or gate and up, in one dispatch. Row o of weights is of the last part whose
// `begin` is not above o; its bytes are looked for at `weight` bytes from where they would be without
// parts, its bias and y at `bias` and `y` elements from there, modulo 2^32. Parts are sorted by
// `begin`, the first begins at 0, and the last fills up the array. matmul has one matrix, whose
// `weight` all three parts have: the byte of binding 0 where it begins.
//
// What else matvec does for its neighbours, and matmul does not:
//   NORM: x is normed first: x[r, c] / sqrt(mean over c of x[r, c]^2 + eps) * norm[c], as kernel norm
//   GATED: the first half of the n_out rows of weights are a gate, the other half go up:
//          y[r, o] = act(w[o] x[r]) * (w[n_out / 2 + o] x[r]) for o < n_out / 2; no bias, no ADD
enum { SMR_MATMUL_BIAS = 1, SMR_MATMUL_ADD = 2, SMR_MATVEC_NORM = 4, SMR_MATVEC_GATED = 8 };
enum { SMR_MATVEC_MAX_ROWS = 8, SMR_MATVEC_MAX_PARTS = 3 };
struct smr_matmul_part {
    uint32_t begin, weight, y, bias;
};
struct smr_matmul_push {
    uint32_t n_cols, n_out, n_rows;
    uint32_t in_stride, out_stride;
    uint32_t out_offset; // of this part of a weight that is split by rows
    uint32_t flags;
    struct smr_matmul_part parts[SMR_MATVEC_MAX_PARTS];
    uint32_t activation; // enum smr_activation with GATED, not SOFTCAP
    float eps;           // with NORM
};

// matmul_merge: put together what a matmul leaves that is split along the columns of w:
//   y[r, out_offset + o] = sum over s of partial[s, r, o]  (+ bias[out_offset + o])  (+ y before)
// Bindings: 0 partial, f32 [n_splits, n_rows, n_out]; 1 bias, f32 (anything without BIAS); 2 y.
struct smr_matmul_merge_push {
    uint32_t n_out, n_rows, n_splits;
    uint32_t out_stride, out_offset;
    uint32_t flags; // SMR_MATMUL_BIAS, SMR_MATMUL_ADD
};
enum { SMR_PARTIAL_SIZE = 4 << 20 /* bytes of the partial sums of one matmul, at most */ };

// rope_store: rotate queries in place, and rotate keys into the KV cache with values beside them.
//   angle = position * inv_freq[i]; pairs are (i, i + rope_dim / 2) with NEOX, else (2i, 2i + 1);
//   (a, b) -> magnitude * (a cos - b sin, a sin + b cos); elements from rope_dim on stay
//   (unscaled). With rope_dim 0 keys and values are only stored, and 1 may be anything.
// sin and cos are accurate to about 1e-6 for any position (the shader reduces the angle itself:
// Vulkan promises only 2^-11, and only in [-pi, pi]).
// Bindings: 0 rows, struct smr_row; 1 inv_freq, f32 [rope_dim / 2]; 2 q, f32 (read and write);
// 3 k; 4 v; 5 key cache; 6 value cache, both of the kernel's type (see "KV cache layout").
// With NO_STORE keys and values are left alone, and 3 to 6 may be anything. With NORM each head of
// queries and of keys, all of it, is normed before it is rotated, as kernel norm does, and rope_dim is
// not 0. Binding 7 holds the weights, f32 [head_dim], from elements q_norm and k_norm on; without NORM
// anything.
enum { SMR_ROPE_NEOX = 1, SMR_ROPE_NO_STORE = 2, SMR_ROPE_NORM = 4 };
struct smr_rope_store_push {
    uint32_t n_rows, n_heads, n_kv_heads, head_dim, rope_dim;
    uint32_t q_stride, k_stride, v_stride;
    uint32_t page_size; // slots; not 0 where something is stored
    uint32_t flags;
    float magnitude;
    float eps; // this and the next with NORM
    uint32_t q_norm, k_norm;
};

// attention: for each row and head, attention over the row's sequence with online softmax
// (arXiv:1805.02867, arXiv:2205.14135); grouped queries (arXiv:2305.13245): kv head = h / (n_heads
// / n_kv_heads). Key t of a sequence lies in slot pages[sequence * max_pages + t / page_size] *
// page_size + t % page_size. Keys visible to a row: t in [lo, hi).
//   causal:    hi = position + 1, lo = window ? max(0, hi - window) : 0
//   with FULL: hi = lengths[sequence], lo = 0 and no window: a source's own tokens, or those of the
//              source that a text attends to
//   s_t = scale * dot(q, k_t); with softcap: s_t = softcap * tanh(s_t / softcap)
//   with BIAS: s_t += bias[h, clamp(t - position, -reach, reach) + reach] (arXiv:1910.10683)
//   out = sum of exp(s_t - max) v_t / sum of exp(s_t - max)
// Split s of n_splits covers [lo + s * chunk, min(hi, lo + (s + 1) * chunk)), chunk = ceil((hi -
// lo) / n_splits). With n_splits == 1 binding 5 is out [n_rows, n_heads, head_dim] with out_stride;
// else it holds partial results [n_rows, n_heads, n_splits, head_dim + 2]: the sum not yet divided,
// then the maximum, then the divisor (an empty split: 0, -3e38, 0). Padding rows give zeros.
// Bindings: 0 rows; 1 pages, u32; 2 q, f32; 3 key cache; 4 value cache (type); 5 out, f32; 6
// lengths, u32 [n_sequences] (anything without FULL); 7 bias, f32 [n_heads, 2 * reach + 1] (anything
// without BIAS).
// APART says that most rows are of another sequence than the one before. It changes no result: variants
// that read keys once for neighbouring rows then are not chosen.
enum { SMR_ATTENTION_FULL = 1, SMR_ATTENTION_BIAS = 2, SMR_ATTENTION_APART = 4 };
struct smr_attention_push {
    uint32_t n_rows, n_heads, n_kv_heads, head_dim;
    uint32_t q_stride, out_stride;
    uint32_t page_size, max_pages;
    uint32_t window, n_splits;
    float scale, softcap;
    uint32_t flags, reach;
};

// attention_merge: put the partial results of split attention together.
// Bindings: 0 partial results; 1 out, f32 [n_rows, n_heads, head_dim] with out_stride.
struct smr_attention_merge_push {
    uint32_t n_rows, n_heads, head_dim, n_splits, out_stride;
};

// activate: out = act(gate) * up, or act(gate) where there is no up.
// Bindings: 0 gate, f32; 1 up, f32 (anything with NO_UP); 2 out, f32.
enum smr_activation {
    SMR_ACT_SILU,      // x / (1 + exp(-x))
    SMR_ACT_GELU_TANH, // 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))
    SMR_ACT_GELU,      // 0.5 x (1 + erf(x / sqrt(2)))
    SMR_ACT_RELU,
    SMR_ACT_SOFTCAP, // param * tanh(x / param)
};
enum { SMR_ACTIVATE_NO_UP = 1 };
struct smr_activate_push {
    uint32_t n_cols, n_rows;
    uint32_t gate_stride, up_stride, out_stride;
    uint32_t activation, flags;
    float param;
};

// reduce: per row and chunk of SMR_REDUCE_CHUNK logits, their maximum, the lowest index that has
// it, and the sum of exp(logit - maximum). The host finishes over the chunks: greedy choice, log of
// the sum for log-probabilities, and which chunks can hold the k best. NaN counts as -infinity, and
// infinities as +-3e38.
// Bindings: 0 logits, f32 [n_rows, n_cols] with in_stride; 1 out, struct smr_reduced [n_rows,
// n_chunks], n_chunks = ceil(n_cols / SMR_REDUCE_CHUNK).
enum { SMR_REDUCE_CHUNK = 1024 };
struct smr_reduced {
    float maximum;
    uint32_t index;
    float sum;
    uint32_t unused;
};
struct smr_reduce_push {
    uint32_t n_cols, n_rows, in_stride;
};

// pick: per row the index of the greatest of its chunks' maxima, of equal ones the first: the token
// that the host takes, too, where it is always the most likely one. So a step can be submitted before
// the token that it goes on with is known.
// Bindings: 0 struct smr_reduced [n_rows, n_chunks], of reduce; 1 out, u32 [n_rows].
struct smr_pick_push {
    uint32_t n_chunks, n_rows;
};

// How a token is drawn that is not always the most likely one: data of a step, in a buffer.
struct smr_draw {
    uint32_t top_k;           // 0: all
    uint32_t top_p;           // of 2^32; UINT32_MAX: all
    float min_p, temperature; // min_p 0: all; temperature > 0
    uint32_t point;           // the random number, of 2^32
    uint32_t n_bias;
    uint32_t n_recent, first_recent; // tokens that penalties look back on, with the last one
    float repeat_penalty, presence_penalty, frequency_penalty;
};

// penalise: change the logits of one row in place: add the biases; then, of each token that is among
// the recent ones, divide a logit > 0 by repeat_penalty and multiply another with it, and subtract
// presence_penalty and, each time that the token is there, frequency_penalty. The recent tokens are
// n_recent - 1 of the history from first_recent on, and the last token.
// Bindings: 0 logits, f32 [n_cols]; 1 struct smr_draw; 2 struct smr_draw_bias [n_bias], no token twice;
// 3 history, u32; 4 the last token, u32 [1]; 5 counts, u32 [n_cols], zero before and after.
struct smr_draw_bias {
    uint32_t token;
    float bias;
};
struct smr_penalise_push {
    uint32_t n_cols;
};

// sample: the token that the host's sampler draws (generate/sampler.c), too, but for rounding. Of the
// tokens by descending logit, equal ones by their number, what is left of these cuts, one after the
// other:
//   top_k: the first top_k
//   top_p: the fewest first ones whose probability is at least that share of what is left
//   min_p: those with at least min_p times the probability of the first
// and of these the first one with which the sum of exp(logit / temperature) exceeds point / 2^32 of all
// of them. NaN and infinities as in reduce; where there is nothing else, SMR_NO_TOKEN.
// Bindings: 0 logits, f32 [n_cols]; 1 struct smr_reduced [n_chunks], of reduce; 2 struct smr_draw; 3 and
// 4 out, u32 [1]: the token, for the next step and for the host.
enum { SMR_SAMPLE_MAX_COLS = 1 << 19 };
#define SMR_NO_TOKEN UINT32_MAX
struct smr_sample_push {
    uint32_t n_cols; // at most SMR_SAMPLE_MAX_COLS
};

// copy_pages: copy the first n_slots slots of page `from` to page `to`, in the keys and the values of
// a layer, for each of n_copies entries. No page that is written is read or written by another.
// Bindings: 0 copies, struct smr_page_copy [n_copies]; 1 key cache; 2 value cache, both as words
// [n_pages, n_kv_heads, page_size, vector_words], read and written.
struct smr_page_copy {
    uint32_t from, to;
    uint32_t n_slots; // 0: nothing to copy
    uint32_t unused;
};
struct smr_copy_pages_push {
    uint32_t n_copies, page_size, n_kv_heads;
    uint32_t vector_words; // of 4 bytes, of a slot's head
};

// Mixtures of experts (arXiv:1701.06538): for each row a router chooses n_used of n_experts, which are
// matrices of one tensor, and adds up what they make of the row. Choices are u32 [n_rows, 2, n_used]:
// numbers of experts, then the weights of their results as the bits of f32.

// route: the n_used experts with the greatest logits, greatest first, of equal ones the first; their
// weights are their probabilities, the softmax of the logits, divided by their sum with NORM. NaN and
// infinities as in reduce.
// Bindings: 0 logits, f32 [n_rows, n_experts] with in_stride; 1 choices.
enum { SMR_ROUTE_NORM = 1 };
struct smr_route_push {
    uint32_t n_experts, n_rows, n_used, in_stride;
    uint32_t flags;
};

// experts: y[r, k, o] = sum over c of w[e, o, c] * x[r * in_stride + k * in_step + c], where e is
// choice k of row r. The binding holds experts expert_begin to expert_begin + expert_count of a tensor
// that may be split: where e is another one, y is left alone. No other expert is read.
// Bindings: 0 w, type [expert_count, n_out, n_cols]; 1 x, f32; 2 choices; 3 y, f32
// [n_rows, n_used, n_out] with out_stride between rows.
struct smr_experts_push {
    uint32_t n_cols, n_out, n_rows, n_used;
    uint32_t in_stride, in_step; // in_step 0: all experts read the same
    uint32_t out_stride;
    uint32_t expert_begin, expert_count;
    uint32_t weight_at; // byte of binding 0 where the first expert begins, a multiple of 4
};

// combine: y[r, c] (+)= sum over k of the weight of choice k of row r * x[r, k, c]
// Bindings: 0 x, f32 [n_rows, n_used, n_cols] with in_stride; 1 choices; 2 y, f32 with out_stride.
enum { SMR_COMBINE_ADD = 1 };
struct smr_combine_push {
    uint32_t n_cols, n_rows, n_used;
    uint32_t in_stride, out_stride;
    uint32_t flags;
};

// quantize: rows of x as int8 with a scale for each block of 32, for variants of matvec that multiply
// integers: x[r, c] = d q, d the greatest magnitude of the block / 127. With NORM, x is normed before as
// matvec's NORM says.
// Bindings: 0 x, f32; 1 norm, f32 [n_cols] (anything without NORM); 2 out: for each row n_cols bytes q,
// then of each block d as f32 and the sums of the q of its two halves as int16. n_cols is a multiple of
// 32.
enum { SMR_QUANTIZE_NORM = 1 };
struct smr_quantize_push {
    uint32_t n_cols, n_rows, in_stride;
    uint32_t flags;
    float eps;
};
enum { SMR_QUANTIZED_SIZE = 1 << 20 /* bytes of out for one matvec, at most */ };
enum { SMR_QUANTIZE_BLOCK = 32, SMR_QUANTIZE_BLOCK_SIZE = 40 /* bytes of out */ };

// Kernels of no model, which measure what a device does at most (peak.h).

// probe_read: out[s] = the sum, modulo 2^32, of the words of slice s: of n_words words, in slices of
// ceil(n_words / 4 / n_slices) * 4, the last of which may have fewer or none.
// Bindings: 0 words, u32 [n_words]; 1 out, u32 [n_slices].
struct smr_probe_read_push {
    uint32_t n_words; // a multiple of 4
    uint32_t n_slices;
};

// probe_math: out[i] = the sum over c < SMR_PROBE_CHAINS of what x = in[i] + c is after n_rounds times
// x = x * factor + addend.
// Bindings: 0 in, f32 [n_out]; 1 out, f32 [n_out].
enum { SMR_PROBE_CHAINS = 192 };
struct smr_probe_math_push {
    uint32_t n_out;
    uint32_t n_rounds; // a multiple of 4
    float factor, addend;
};

// Room for those of any kernel.
union smr_push {
    uint32_t words[SMR_MAX_PUSH_SIZE / 4];
    struct smr_embed_push embed;
    struct smr_norm_push norm;
    struct smr_norm_add_norm_push norm_add_norm;
    struct smr_matmul_push matmul;
    struct smr_matmul_merge_push matmul_merge;
    struct smr_rope_store_push rope_store;
    struct smr_attention_push attention;
    struct smr_attention_merge_push attention_merge;
    struct smr_activate_push activate;
    struct smr_reduce_push reduce;
    struct smr_copy_pages_push copy_pages;
    struct smr_pick_push pick;
    struct smr_penalise_push penalise;
    struct smr_sample_push sample;
    struct smr_route_push route;
    struct smr_experts_push experts;
    struct smr_combine_push combine;
    struct smr_quantize_push quantize;
    struct smr_probe_read_push probe_read;
    struct smr_probe_math_push probe_math;
};

// ---- KV cache layout --------------------------------------------------------------------------

// Keys and values are [n_pages, n_kv_heads, page_size, head_dim] each: the vectors that a head of
// queries goes over are neighbours within a page. Slot s is slot s % page_size of page s / page_size.

// Bytes of `n` elements of a cached key or value. F32: 4 n. F16: 2 n, n even. Q8_0: our own layout
// of 36 bytes per 32 elements, all aligned to words: f32 scale, then 32 int8; n a multiple of 32.
uint32_t smr_cache_size(enum smr_type type, uint32_t n);
// Whether `type` can hold heads of head_dim elements.
bool smr_cache_type_fits(enum smr_type type, uint32_t head_dim);

// ---- the registry -----------------------------------------------------------------------------

struct smr_variant {
    const char *name;      // "plain", "subgroup"
    const char *defines;   // "#define USE_SUBGROUP 1\n" or ""
    uint64_t capabilities; // bits of enum smr_capability it needs
    double tolerance;      // where it is not the row's: as that, and greater; 0: the row's
    uint32_t types;        // it is for these alone, bits 1 << enum smr_type; 0: for all of the row
    bool gpu;              // not chosen on a processor, where it runs and is slower
    bool narrow;           // rounds activations to 16 or 8 bits inside
    bool quantized;        // of matvec: reads what kernel quantize makes of x, before each dispatch
};

// What decides how fast a dispatch is: sizes, which a push has among other things.
enum { SMR_SHAPE_WORDS = 6 };

// Which implementation of which kernel: what is compiled once and looked up by value.
struct smr_kernel_key {
    enum smr_kernel_id id;
    uint32_t type;    // enum smr_type of weights, table or cache; SMR_F32 where there is none
    uint32_t variant; // index into the row's variants; 0 is the plain one
    uint32_t constants[SMR_MAX_CONSTANTS]; // specialisation constants; [0] is the workgroup size
    uint32_t subgroup_size;                // required; 0: the driver's choice
};

bool smr_kernel_keys_equal(const struct smr_kernel_key *a, const struct smr_kernel_key *b);

struct smr_kernel_desc {
    const char *name; // "matvec": shaders/matvec.comp, kernel/twin/matvec.c
    smr_twin_fn *twin;
    uint32_t n_bindings, push_size, n_constants;
    enum smr_access access[SMR_MAX_BINDINGS];
    const enum smr_type *types; // that `type` may have
    uint32_t n_types;
    const struct smr_variant *variants; // [0] is plain and needs no capability
    uint32_t n_variants;
    double tolerance; // normalised mean squared error against the twin
    // Fill in key->constants (and subgroup_size) for this variant, device and push. False when the
    // variant cannot run there (limits) or makes no sense for this shape.
    bool (*specialise)(struct smr_kernel_key *key, const struct smr_limits *limits,
                       const void *push);
    // For tuning (tune.h); NULL where there is nothing to choose. The shape of `push`, in words that
    // are zeroed before; returns the multiplications and additions of the dispatch, in pairs.
    uint64_t (*shape)(const void *push, uint32_t shape[SMR_SHAPE_WORDS]);
    // Turn a key that specialise() filled in into another setting of its constants, the one of number
    // `i`. False when there are no more. Optional.
    bool (*vary)(struct smr_kernel_key *key, const struct smr_limits *limits, const void *push,
                 uint32_t i);
    // [optional] How many sums there are for each result, which kernel matmul_merge is to put
    // together; 0: results are whole.
    uint32_t (*splits)(const struct smr_kernel_key *key, const void *push);
    // Workgroups that cover `push`, given the key.
    void (*groups)(const struct smr_kernel_key *key, const void *push, uint32_t groups[3]);
    // [optional] Weights that one invocation multiplies in one round of its innermost loop; 0: not
    // known. For tools that count instructions per weight.
    uint32_t (*weights_per_round)(const struct smr_kernel_key *key);
};
const struct smr_kernel_desc *smr_kernel_desc(enum smr_kernel_id id);

// Whether a variant of a row is written for `type`.
bool smr_variant_has_type(const struct smr_kernel_desc *desc, uint32_t variant, enum smr_type type);

// ---- the kernels of one device ----------------------------------------------------------------

struct smr_kernel_set;
struct smr_kernel_set *smr_kernel_set_create(smr_device *device, enum smr_kernels mode);
void smr_kernel_set_destroy(struct smr_kernel_set *set);
smr_device *smr_kernel_set_device(const struct smr_kernel_set *set);
enum smr_kernels smr_kernel_set_mode(const struct smr_kernel_set *set);

// What to use for this push: what was found to be fastest for its shape (tune.h). Where nothing was
// measured, and with SMR_KERNELS_PLAIN, the default: the last variant in the row whose capabilities
// the device has, that suits a processor if it is one, that the mode allows, that was not rejected,
// and whose specialise() agrees; plain, variant 0. False, with an error, when none fits.
bool smr_kernel_choose(struct smr_kernel_set *set, enum smr_kernel_id id, enum smr_type type,
                       const void *push, struct smr_kernel_key *key);

// The key of one variant, whatever the mode; false, without an error, where it cannot run or makes
// no sense for this push. For tests and tuning.
bool smr_kernel_variant_key(smr_device *device, enum smr_kernel_id id, enum smr_type type,
                            uint32_t variant, const void *push, struct smr_kernel_key *key);

// Note that `key` will be needed. Cheap, idempotent. `push`, what the key was chosen for, puts it on
// trial when it is built; NULL: not.
bool smr_kernel_set_request(struct smr_kernel_set *set, const struct smr_kernel_key *key,
                            const void *push);

// Compile all that was requested and is not there yet, on as many threads as there are processors:
// GLSL to SPIR-V (or from the disk cache), then the driver's pipeline. Then try each on the device,
// unless the disk cache has the verdict of an earlier trial (trial.h). Variants that do not compile
// or compute wrongly are rejected, with a warning: they are not chosen again, and whoever chose them
// must choose anew. A plain variant that computes wrongly is only warned of.
bool smr_kernel_set_build(struct smr_kernel_set *set,
                          void (*progress)(void *user, const char *what, float fraction),
                          void *user);

uint32_t smr_kernel_set_n_rejected(const struct smr_kernel_set *set); // so far

// The compiled kernel; compiles now if it was not built. NULL with an error.
smr_kernel *smr_kernel_set_get(struct smr_kernel_set *set, const struct smr_kernel_key *key);

// Record one dispatch of `key`: bindings in the order above; push as the kernel's struct. Variants that
// want quantised input have it made by a dispatch of its own before; what is split is put together by
// one after it.
void smr_kernel_dispatch(struct smr_kernel_set *set, smr_list *list,
                         const struct smr_kernel_key *key, const struct smr_binding *bindings,
                         const void *push);

// ---- GLSL to SPIR-V (compile.c) ----------------------------------------------------------------

// Source of shaders/NAME with its #include lines put in, from the context's shader_dir or embedded.
bool smr_shader_source(smr_context *context, const char *name, struct smr_string *source);

// Whether the compiler knows GL_KHR_cooperative_matrix: variants that need SMR_CAP_MATRIX are left
// out where it does not.
bool smr_shader_knows_matrices(void);

// Compile a variant, or take it from the disk cache. Errors show the compiler's message with file
// and line. May be called from several threads.
bool smr_shader_compile(smr_context *context, const struct smr_kernel_key *key,
                        struct smr_blob *spirv);
