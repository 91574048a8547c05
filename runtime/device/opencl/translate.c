// translate.c - the whole of a translation: prelude, macros and types, functions.
#include "device/opencl/translate.h"
#include "device/opencl/clc.h"

#include <string.h>

// ---- prelude ----------------------------------------------------------------------------------

// clc.h says what these are for.
static const char prelude_barriers[] =
    "#ifdef SMR_CPU\n"
    "#define smr_declare_guard() \\\n"
    "    __local int guard_; \\\n"
    "    __local int *const guard = &guard_; \\\n"
    "    if (get_local_id(0) == 0) *guard = (int)get_num_groups(0)\n"
    "#define smr_barrier(fence) \\\n"
    "    barrier(fence); \\\n"
    "    __builtin_assume(*guard != 0)\n"
    "#define smr_join() smr_barrier(CLK_LOCAL_MEM_FENCE)\n"
    "#define smr_static static __attribute__((always_inline))\n"
    "#else\n"
    "#define smr_declare_guard() __local int *const guard = 0\n"
    "#define smr_barrier(fence) barrier(fence)\n"
    "#define smr_join()\n"
    "#define smr_static static\n"
    "#endif\n";

// Half to float and back: by the processor's instruction, where Clang has it. By bits: moving exponent
// and fraction to their places leaves a number that is 2^112 too small, also for those that are not
// normal (which processors may take long to multiply); infinities and NaN come out as 65536 and above,
// and get the greatest exponent.
static const char prelude_halves[] =
    "#if defined(__clang__) && (defined(__F16C__) || defined(__aarch64__))\n"
    "#define SMR_HALF_INSTRUCTION __has_builtin(__builtin_load_halff)\n"
    "#endif\n"
    "static float smr_h2f1(ushort h)\n"
    "{\n"
    "#if SMR_HALF_INSTRUCTION\n"
    "    return __builtin_load_halff((const half *)&h);\n"
    "#elif defined(SMR_HALF_BITS)\n"
    "    float f = as_float((uint)(h & 0x7fff) << 13) * 0x1p112f;\n"
    "    uint b = f >= 65536.0f ? as_uint(f) | 0x7f800000u : as_uint(f);\n"
    "    return as_float(b | (uint)(h & 0x8000) << 16);\n"
    "#else\n"
    "    return vload_half(0, (const half *)&h);\n"
    "#endif\n"
    "}\n"
    "static ushort smr_f2h1(float f)\n"
    "{\n"
    "    ushort h;\n"
    "    vstore_half_rte(f, 0, (half *)&h);\n"
    "    return h;\n"
    "}\n"
    "static float2 smr_h2f2(ushort2 v) { return (float2)(smr_h2f1(v.x), smr_h2f1(v.y)); }\n"
    "static float3 smr_h2f3(ushort3 v)\n"
    "{ return (float3)(smr_h2f1(v.x), smr_h2f1(v.y), smr_h2f1(v.z)); }\n"
    "static float4 smr_h2f4(ushort4 v)\n"
    "{ return (float4)(smr_h2f1(v.x), smr_h2f1(v.y), smr_h2f1(v.z), smr_h2f1(v.w)); }\n"
    "static ushort2 smr_f2h2(float2 v) { return (ushort2)(smr_f2h1(v.x), smr_f2h1(v.y)); }\n"
    "static ushort3 smr_f2h3(float3 v)\n"
    "{ return (ushort3)(smr_f2h1(v.x), smr_f2h1(v.y), smr_f2h1(v.z)); }\n"
    "static ushort4 smr_f2h4(float4 v)\n"
    "{ return (ushort4)(smr_f2h1(v.x), smr_f2h1(v.y), smr_f2h1(v.z), smr_f2h1(v.w)); }\n";

// GLSL.std.450's packing, FindLSB... on words.
static const char prelude_packing[] =
    "static float2 smr_unpack_half2(uint v) { return smr_h2f2(as_ushort2(v)); }\n"
    "static uint smr_pack_half2(float2 v) { return as_uint(smr_f2h2(v)); }\n"
    "static uint smr_pack_snorm4(float4 v)\n"
    "{ return as_uint(convert_char4(rint(clamp(v, -1.0f, 1.0f) * 127.0f))); }\n"
    "static uint smr_pack_unorm4(float4 v)\n"
    "{ return as_uint(convert_uchar4(rint(clamp(v, 0.0f, 1.0f) * 255.0f))); }\n"
    "static uint smr_pack_snorm2(float2 v)\n"
    "{ return as_uint(convert_short2(rint(clamp(v, -1.0f, 1.0f) * 32767.0f))); }\n"
    "static uint smr_pack_unorm2(float2 v)\n"
    "{ return as_uint(convert_ushort2(rint(clamp(v, 0.0f, 1.0f) * 65535.0f))); }\n"
    "static float4 smr_unpack_snorm4(uint v)\n"
    "{ return clamp(convert_float4(as_char4(v)) / 127.0f, -1.0f, 1.0f); }\n"
    "static float4 smr_unpack_unorm4(uint v) { return convert_float4(as_uchar4(v)) / 255.0f; }\n"
    "static float2 smr_unpack_snorm2(uint v)\n"
    "{ return clamp(convert_float2(as_short2(v)) / 32767.0f, -1.0f, 1.0f); }\n"
    "static float2 smr_unpack_unorm2(uint v)\n"
    "{ return convert_float2(as_ushort2(v)) / 65535.0f; }\n";

// Division that does not trap; any result will do then.
static const char prelude_division[] =
    "static int smr_sdiv_32(int a, int b)\n"
    "{ return b == 0 ? 0 : b == -1 ? (int)(0u - (uint)a) : a / b; }\n"
    "static long smr_sdiv_64(long a, long b)\n"
    "{ return b == 0 ? 0 : b == -1 ? (long)(0ul - (ulong)a) : a / b; }\n"
    "static int smr_srem_32(int a, int b) { return b == 0 || b == -1 ? 0 : a % b; }\n"
    "static long smr_srem_64(long a, long b) { return b == 0 || b == -1 ? 0 : a % b; }\n"
    "static int smr_smod_32(int a, int b)\n"
    "{ int r = smr_srem_32(a, b); return r != 0 && (r ^ b) < 0 ? r + b : r; }\n"
    "static long smr_smod_64(long a, long b)\n"
    "{ long r = smr_srem_64(a, b); return r != 0 && (r ^ b) < 0 ? r + b : r; }\n";

// For 1 to 4 components; I, U, F: int, uint, float of that many. Offsets and counts of bits that are
// out of range give any result. PoCL makes vectors of loops before it knows what its min() does, and
// has to see that an index has a limit.
static const char prelude_sized[] =
    "#define SMR_SIZED(n, I, U, F) \\\n"
    "static U smr_umin##n(U x, U y) { return x < y ? x : y; } \\\n"
    "static F smr_fract##n(F x) { return x - floor(x); } \\\n"
    "static I smr_ssign##n(I x) { return min(max(x, (I)-1), (I)1); } \\\n"
    "static U smr_one##n(I x) { return (U)1 & as_##U(x); } \\\n"
    "static I smr_find_umsb##n(U x) { return (I)31 - as_##I(clz(x)); } \\\n"
    "static I smr_find_smsb##n(I x) { return smr_find_umsb##n(as_##U(x ^ (x >> 31))); } \\\n"
    "static I smr_find_lsb##n(U x) { return smr_find_umsb##n(x & ((U)0 - x)); } \\\n"
    "static U smr_uextract##n(U x, uint at, uint count) \\\n"
    "{ return count ? (x << (32 - count - at)) >> (32 - count) : (U)0; } \\\n"
    "static I smr_sextract##n(I x, uint at, uint count) \\\n"
    "{ return count ? as_##I(as_##U(x) << (32 - count - at)) >> (32 - count) : (I)0; } \\\n"
    "static U smr_insert##n(U x, U y, uint at, uint count) \\\n"
    "{ U mask = (U)(count < 32 ? (1u << count) - 1 : 0xffffffffu) << at; \\\n"
    "  return (x & ~mask) | ((y << at) & mask); } \\\n"
    "static U smr_reverse##n(U x) \\\n"
    "{ x = (x >> 1 & 0x55555555u) | (x & 0x55555555u) << 1; \\\n"
    "  x = (x >> 2 & 0x33333333u) | (x & 0x33333333u) << 2; \\\n"
    "  x = (x >> 4 & 0x0f0f0f0fu) | (x & 0x0f0f0f0fu) << 4; \\\n"
    "  x = (x >> 8 & 0x00ff00ffu) | (x & 0x00ff00ffu) << 8; \\\n"
    "  return x >> 16 | x << 16; }\n"
    "SMR_SIZED(1, int, uint, float)\n"
    "SMR_SIZED(2, int2, uint2, float2)\n"
    "SMR_SIZED(3, int3, uint3, float3)\n"
    "SMR_SIZED(4, int4, uint4, float4)\n";

static const char prelude_subgroups[] = "#pragma OPENCL EXTENSION cl_khr_subgroups : enable\n"
                                        "#if defined(cl_khr_subgroup_shuffle)\n"
                                        "#define smr_shuffle sub_group_shuffle\n"
                                        "#define smr_shuffle_xor sub_group_shuffle_xor\n"
                                        "#else\n"
                                        "#define smr_shuffle intel_sub_group_shuffle\n"
                                        "#define smr_shuffle_xor intel_sub_group_shuffle_xor\n"
                                        "#endif\n";

// Sums of four products of bytes: 4 x 255 x 255 is far from any limit.
static const char prelude_byte_dots[] =
    "#ifdef __opencl_c_integer_dot_product_input_4x8bit_packed\n"
    "#define smr_dot_ss dot_4x8packed_ss_int\n"
    "#define smr_dot_uu dot_4x8packed_uu_uint\n"
    "#define smr_dot_su dot_4x8packed_su_int\n"
    "#else\n"
    "static int smr_dot4(int4 x, int4 y)\n"
    "{ return x.x * y.x + x.y * y.y + x.z * y.z + x.w * y.w; }\n"
    "static int smr_dot_ss(uint a, uint b)\n"
    "{ return smr_dot4(convert_int4(as_char4(a)), convert_int4(as_char4(b))); }\n"
    "static uint smr_dot_uu(uint a, uint b)\n"
    "{ return (uint)smr_dot4(convert_int4(as_uchar4(a)), convert_int4(as_uchar4(b))); }\n"
    "static int smr_dot_su(uint a, uint b)\n"
    "{ return smr_dot4(convert_int4(as_char4(a)), convert_int4(as_uchar4(b))); }\n"
    "#endif\n";

// Loops whose iterations do not depend on each other go over the lanes of a vector. A processor's are
// SMR_LANES wide, which may be more than its compiler uses by itself.
static const char prelude_lanes[] =
    "#if defined(SMR_LANES) && defined(__has_attribute)\n"
    "#if __has_attribute(min_vector_width)\n"
    "#define SMR_WIDE __attribute__((min_vector_width(32 * SMR_LANES)))\n"
    "#define SMR_LANE_LOOP \\\n"
    "    _Pragma(\"clang loop unroll(disable) vectorize_width(SMR_LANES) interleave_count(1)\")\n"
    "#endif\n"
    "#endif\n"
    "#ifndef SMR_WIDE\n"
    "#define SMR_WIDE\n"
    "#define SMR_LANE_LOOP _Pragma(\"nounroll\")\n"
    "#endif\n";

// The only invocation of a workgroup of a chain.
static const char prelude_chain[] = "typedef struct {\n"
                                    "    uint group[3], groups[3]; // which of how many\n"
                                    "} smr_place;\n"
                                    "#define smr_group_id(i) (at->group[i])\n"
                                    "#define smr_num_groups(i) (at->groups[i])\n"
                                    "#define smr_zero(i) 0u\n"
                                    "#define smr_one(i) 1u\n";

static bool uses_double(const struct smr_spv *module)
{
    for (uint32_t i = 0; i < module->n_insts; i++)
        if (module->insts[i].op == SMR_SPV_TypeFloat && module->insts[i].args[0] == 64)
            return true;
    return false;
}

// ---- traits -----------------------------------------------------------------------------------

static bool is_shared_atomic(const struct smr_spv *m, const struct smr_spv_inst *inst)
{
    if (inst->op < SMR_SPV_AtomicLoad || inst->op > SMR_SPV_AtomicXor)
        return false;
    const struct smr_spv_inst *type = smr_spv_def(m, smr_spv_type_of(m, inst->args[0]));
    return type->op == SMR_SPV_TypePointer && type->args[0] == SMR_SPV_WORKGROUP;
}

void smr_cl_find_traits(const struct smr_spv *m, struct smr_cl_traits *traits)
{
    enum { GROUP_NON_UNIFORM = 61 }; // specification, "Capability"
    *traits = (struct smr_cl_traits){.precise = m->no_contraction};
    for (uint32_t i = 0; i < m->n_insts; i++) {
        const struct smr_spv_inst *inst = &m->insts[i];
        if (inst->op == SMR_SPV_Capability && inst->args[0] == GROUP_NON_UNIFORM)
            traits->subgroups = true;
        else if (inst->op >= SMR_SPV_SDot && inst->op <= SMR_SPV_SUDotAccSat)
            traits->byte_dots = true;
        else if (is_shared_atomic(m, inst))
            traits->shared_atomics = true;
    }
    const struct smr_spv_inst *size = m->workgroup_size ? smr_spv_def(m, m->workgroup_size) : NULL;
    for (uint32_t i = 0; i < 3; i++) {
        uint64_t value = m->local_size[i];
        traits->local_constant[i] = UINT32_MAX;
        if (size && size->n_args == 3) {
            smr_spv_decoration(m, size->args[i], SMR_SPV_WHOLE, SMR_SPV_SPEC_ID,
                               &traits->local_constant[i]);
            value = smr_spv_def(m, size->args[i])->args[0];
        }
        traits->local[i] = (uint32_t)value;
    }
}

// ---- the whole --------------------------------------------------------------------------------

static bool start(struct smr_clc *c)
{
    const struct smr_spv *m = c->module;
    c->type_names = smr_arena_alloc(&c->arena, m->bound, sizeof *c->type_names);
    c->values = smr_arena_alloc(&c->arena, m->bound, sizeof *c->values);
    c->visited = smr_arena_alloc(&c->arena, m->n_blocks + 1, sizeof *c->visited);
    c->pending = smr_arena_alloc(&c->arena, m->n_insts + 1, sizeof *c->pending);
    return c->type_names && c->values && c->visited && c->pending;
}

static void translate(struct smr_clc *c, uint32_t n_bindings)
{
    const struct smr_spv *m = c->module;
    if (c->push_size)
        smr_string_printf(&c->head, "typedef struct {\n    uint w[%u];\n} %spush_constants;\n",
                          c->push_size / 4, c->prefix);
    smr_clc_constant_macros(c);
    smr_clc_find_globals(c);
    for (uint32_t g = 0; g < c->n_globals && !c->failed; g++)
        if (c->globals[g].storage == SMR_SPV_STORAGE_BUFFER && c->globals[g].binding >= n_bindings)
            smr_clc_refuse(c, "binding %u, the kernel has %u", c->globals[g].binding, n_bindings);
    smr_clc_prototypes(c);
    const struct smr_spv_function *entry = &m->functions[m->ids[m->entry].block];
    for (uint32_t i = 0; i < m->n_functions && !c->failed; i++)
        if (&m->functions[i] != entry)
            smr_clc_function(c, &m->functions[i], 0);
    if (!c->failed)
        smr_clc_function(c, entry, n_bindings);
}

static void add_prelude(struct smr_string *text)
{
    static const char *const parts[] = {prelude_barriers, prelude_halves, prelude_packing,
                                        prelude_division, prelude_sized,  prelude_lanes};
    for (size_t i = 0; i < SMR_COUNT(parts); i++)
        smr_string_add(text, parts[i], strlen(parts[i]));
}

void smr_cl_chain_prelude(struct smr_string *text)
{
    add_prelude(text);
    smr_string_add(text, prelude_chain, sizeof prelude_chain - 1);
}

static bool put_together(struct smr_clc *c, struct smr_string *text)
{
    struct smr_cl_traits traits;
    smr_cl_find_traits(c->module, &traits);
    if (uses_double(c->module))
        smr_string_printf(text, "#pragma OPENCL EXTENSION cl_khr_fp64 : enable\n");
    if (traits.precise)
        smr_string_printf(text, "#pragma OPENCL FP_CONTRACT OFF\n");
    if (!smr_clc_chained(c))
        add_prelude(text);
    if (traits.subgroups)
        smr_string_add(text, prelude_subgroups, sizeof prelude_subgroups - 1);
    if (traits.byte_dots)
        smr_string_add(text, prelude_byte_dots, sizeof prelude_byte_dots - 1);
    if (c->head.size)
        smr_string_add(text, c->head.data, c->head.size);
    smr_string_add(text, c->functions.data, c->functions.size);
    return !text->failed;
}

bool smr_cl_translate(smr_context *context, const struct smr_spv *module, const char *function,
                      uint32_t n_bindings, uint32_t push_size, struct smr_string *text)
{
    struct smr_clc c = {.context = context,
                        .module = module,
                        .push_size = push_size,
                        .prefix = function ? function : ""};
    smr_arena_init(&c.arena, context);
    smr_string_init(&c.head, context);
    smr_string_init(&c.functions, context);
    bool done = start(&c);
    if (done) {
        translate(&c, n_bindings);
        done = !c.failed && !c.head.failed && !c.functions.failed && put_together(&c, text);
    }
    smr_string_finish(&c.head);
    smr_string_finish(&c.functions);
    smr_arena_finish(&c.arena);
    return done;
}
