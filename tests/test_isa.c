// test_isa.c - samara-isa's reading of what compilers tell: loops found and counted in disassemblies
// of three forms, statistics of two drivers.
#include "isa.h"

#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <setjmp.h> // before cmocka.h, which wants it

#include <cmocka.h>

static struct loop loop_of(enum isa isa, bool innermost, const char *text)
{
    const struct disassembly code = {isa, text, strlen(text), innermost};
    struct loop loop;
    assert_true(disassembly_loop(&code, &loop));
    return loop;
}

static void assert_loop(const struct loop *loop, uint32_t instructions, uint32_t loads,
                        uint32_t multiplies)
{
    assert_int_equal(loop->n_instructions, instructions);
    assert_int_equal(loop->n_loads, loads);
    assert_int_equal(loop->n_multiplies, multiplies);
}

// As LLVM prints AMD's: the loop jumps back from its end, and out of it from its begin.
static const char amd_llvm[] =
    "BB0:\n"
    "\ts_load_dwordx4 s[4:7], s[2:3], 0x0                          ; f4080101 fa000000\n"
    "\tbuffer_load_dword v1, v0, s[4:7], 0 offen                   ; e0301000 80010100\n"
    "BB3:\n"
    "\tv_cmp_le_u32_e32 vcc, s1, v0                                ; 7d860001\n"
    "\ts_cbranch_vccnz BB9                                         ; bf870010\n"
    "BB4:\n"
    "\tbuffer_load_dwordx4 v[4:7], v2, s[4:7], 0 offen             ; e0381000 80010402\n"
    "\tglobal_load_ushort v8, v3, s[2:3]                           ; dc488000 08020003\n"
    "\ts_waitcnt vmcnt(1)                                          ; bf8c3f71\n"
    "\ts_nop 0                                                     ; bf800000\n"
    "\tv_cvt_f32_ubyte0_e32 v9, v4                                 ; 7e122304\n"
    "\tv_fmac_f32_e32 v1, v9, v5                                   ; 56020b09\n"
    "\tds_read_b32 v10, v11                                        ; d8d80000 0a00000b\n"
    "\ts_load_dword s8, s[2:3], 0x10                               ; f4000201 fa000010\n"
    "\ts_branch BB3                                                ; bf82fff0\n"
    "BB9:\n"
    "\tbuffer_store_dword v1, v0, s[4:7], 0 offen                  ; e0701000 80010100\n"
    "\ts_endpgm                                                    ; bf810000\n";

static void test_amd_by_llvm(void **state)
{
    const struct loop loop = loop_of(ISA_AMD, true, amd_llvm);
    assert_loop(&loop, 9, 2, 1);
    assert_ptr_equal(loop.text, strstr(amd_llvm, "BB3:"));
    assert_ptr_equal(loop.text + loop.size, strstr(amd_llvm, "\nBB9:"));
}

// As RADV prints it where LLVM does not know the chip.
static const char amd_own[] =
    "After lowering to hw instructions:\n"
    "ACO shader stage: SW (CS), HW (COMPUTE_SHADER)\n"
    "BB0\n"
    "/* logical preds: / linear preds: / kind: uniform, top-level, */\n"
    "\t s4: %3:s[4-7] = s_load_dwordx4 %1:s[2-3], 0\n"
    "BB1\n"
    "/* logical preds: BB0, BB1, / linear preds: BB0, BB1, / kind: loop-header, */\n"
    "\t v4: %9:v[4-7] = buffer_load_dwordx4 %3:s[4-7], %8:v[2], 0 offen storage:buffer\n"
    "\ts_wait_loadcnt imm:0\n"
    "\ts_delay_alu valu_dep_1\n"
    "\t v1: %10:v[1],  v1: %11:v[2] = v_dual_fmac_f32 %4:v[3], %9:v[4] :: v_dual_fmac_f32 %4:v[5]\n"
    "\t v1: %12:v[3] = v_dual_mov_b32 %4:v[3] :: v_dual_fmac_f32 %4:v[5], %9:v[4]\n"
    "\t s1: %13:s[0],  s1: %14:scc = s_add_u32 %13:s[0], 1\n"
    "\tp_logical_end\n"
    "\ts_cbranch_scc1 block:BB1\n"
    "BB2\n"
    "\ts_endpgm\n";

static void test_amd_by_itself(void **state)
{
    const struct loop loop = loop_of(ISA_AMD, true, amd_own);
    assert_loop(&loop, 5, 1, 3);
}

static const char intel[] =
    "Push constant ranges:\n"
    "    RANGE0 (480B): Vulkan push constants and API params\n"
    "\n"
    "and(1)          g45<1>UD        g0<0,1,0>UD     0xffffffc0UD    { align1 WE_all 1N };\n"
    "send(1)         g3UD            g45UD           nullUD          0x0280f500\n"
    "                            ugm MsgDesc: ( load, a32, d32, V64, transpose, dst_len = 8 )\n"
    "\n"
    "LABEL2:\n"
    "cmp.ge.f0.0(16) null<1>UD       g6<8,8,1>UD     g4.7<0,1,0>UD   { align1 1H I@2 };\n"
    "(+f0.0) break(16) JIP:  LABEL1  UIP:  LABEL1                    { align1 1H };\n"
    "send(16)        g36UD           g34UD           nullUD          0x64200500\n"
    "                            ugm MsgDesc: ( load, a32, d32, V4, dst_len = 8 bti )  BTI 2\n"
    "send(8)         g44UD           g106UD          nullUD          0x02406003\n"
    "                            dp data 1 MsgDesc: (untyped surface read, Surface = 3, SIMD8)\n"
    "send(16)        g50UD           g106UD          nullUD          0x02406003\n"
    "                            slm MsgDesc: ( load, a32, d32, V1, dst_len = 2 )\n"
    "send(1)         g52UD           g106UD          nullUD          0x0210c500\n"
    "                            ugm MsgDesc: ( load, a32, d32, V8, transpose, dst_len = 1 )\n"
    "sync nop(1)                     null<0,1,0>UB                   { align1 WE_all 1N };\n"
    "(-f0.0) sel(16) g100<1>UD       g42<1,1,0>UD    g6<1,1,0>UD     { align1 1H };\n"
    "mad(16)         g76<1>F         g74<8,8,1>F     g66<8,8,1>F     g78<1,1,1>F { align1 1H };\n"
    "dp4a(16)        g90<1>D         g74<8,8,1>D     g66<8,8,1>D     g78<1,1,1>D { align1 1H };\n"
    "\n"
    "LABEL1:\n"
    "while(16)       JIP:  LABEL2                                    { align1 1H };\n"
    "send(16)        nullUD          g126UD          nullUD          0x02000000\n"
    "                            gateway MsgDesc: (open)  mlen 1 { align1 WE_all EOT };\n";

static void test_intel(void **state)
{
    const struct loop loop = loop_of(ISA_INTEL, true, intel);
    assert_loop(&loop, 10, 2, 2);
    assert_ptr_equal(loop.text, strstr(intel, "LABEL2:\ncmp"));
}

// A loop over tiles around a small and a large one, and one that loads nothing.
static const char nested[] = "BB1:\n"
                             "\tbuffer_load_dword v1, v0, s[4:7], 0 offen\n"
                             "BB2:\n"
                             "\tbuffer_load_dword v2, v0, s[4:7], 0 offen\n"
                             "\ts_cbranch_scc1 BB2\n"
                             "BB3:\n"
                             "\tbuffer_load_dword v2, v0, s[4:7], 0 offen\n"
                             "\tv_dot4_i32_i8 v3, v2, v4, v3\n"
                             "\ts_cbranch_scc0 BB3\n" // continue
                             "\tv_mov_b32_e32 v5, v6\n"
                             "\ts_cbranch_scc1 BB3\n"
                             "BB4:\n"
                             "\ts_cbranch_scc1 BB1\n"
                             "BB6:\n" // stores the results, and reads what was there
                             "\tbuffer_load_dword v2, v0, s[4:7], 0 offen\n"
                             "\tv_add_f32_e32 v1, v1, v2\n"
                             "\tv_add_f32_e32 v1, v1, v3\n"
                             "\tv_add_f32_e32 v1, v1, v4\n"
                             "\tv_add_f32_e32 v1, v1, v5\n"
                             "\tv_add_f32_e32 v1, v1, v6\n"
                             "\ts_cbranch_scc1 BB6\n"
                             "BB5:\n"
                             "\tv_add_u32_e32 v1, v1, v2\n"
                             "\tv_add_u32_e32 v1, v1, v2\n"
                             "\tv_add_u32_e32 v1, v1, v2\n"
                             "\tv_add_u32_e32 v1, v1, v2\n"
                             "\tv_add_u32_e32 v1, v1, v2\n"
                             "\tv_add_u32_e32 v1, v1, v2\n"
                             "\ts_branch BB5\n";

static void test_nested(void **state)
{
    struct loop loop = loop_of(ISA_AMD, true, nested);
    assert_loop(&loop, 5, 1, 1);
    loop = loop_of(ISA_AMD, false, nested);
    assert_loop(&loop, 9, 3, 1);
}

static void test_no_loop(void **state)
{
    static const char *const texts[] = {"",
                                        "\n",
                                        "BB0:\n\ts_endpgm\n",
                                        "BB1:\n\ts_branch BB7\n",
                                        "\ts_branch BB0\nBB0:\n",
                                        "LABEL1:\n(",
                                        "while(8)"};
    for (size_t i = 0; i < SMR_COUNT(texts); i++) {
        struct loop loop = loop_of(ISA_AMD, true, texts[i]);
        assert_loop(&loop, 0, 0, 0);
        loop = loop_of(ISA_INTEL, false, texts[i]);
        assert_loop(&loop, 0, 0, 0);
    }
}

static void test_facts_of_amd(void **state)
{
    static const char text[] = "[compute] Vulkan Compute Shader, subgroup size 64\n"
                               "SGPRs: 128\nVGPRs: 48\nSpilled SGPRs: 2\nSpilled VGPRs: 3\n"
                               "Code size: 4680\nLDS size: 1024\nScratch size: 16\n"
                               "Subgroups per SIMD: 20\nInstructions: 866\nPre-Sched VGPRs: 45\n"
                               "---- ACO IR\nVGPRs: 99\nBB0\nBB1\n"
                               "---- Assembly\n"
                               "BB1:\n\tbuffer_load_dword v1, v0\n\ts_branch BB1\n";
    const struct account account = {ISA_AMD, text, true};
    struct facts facts;
    assert_true(facts_read(&account, &facts));
    assert_int_equal(facts.subgroup_size, 64);
    assert_int_equal(facts.registers, 48);
    assert_int_equal(facts.scalar_registers, 128);
    assert_int_equal(facts.spills, 5);
    assert_int_equal(facts.scratch_size, 16);
    assert_int_equal(facts.n_subgroups, 20);
    assert_int_equal(facts.shared_size, 1024);
    assert_int_equal(facts.n_instructions, 866);
    assert_loop(&facts.loop, 2, 1, 0);
}

// The second part is of other code: it is not read.
static void test_facts_of_intel(void **state)
{
    static const char text[] =
        "[compute] SIMD16 compute shader, subgroup size 16\n"
        "Instruction Count: 1025\nSpill Count: 4\nFill Count: 6\nScratch Memory Size: 1024\n"
        "Max live registers: 128\nWorkgroup Memory Size: 512\n"
        "---- GEN Assembly\n"
        "LABEL0:\nsend(16) g1UD g2UD\n  ugm MsgDesc: ( load, a32, d32, V4 )\n"
        "while(16) JIP:  LABEL0\n"
        "---- Something else\nmad(16) g1<1>F\n"
        "[other] SIMD8 compute shader, subgroup size 8\nSpill Count: 100\n";
    const struct account account = {ISA_INTEL, text, true};
    struct facts facts;
    assert_true(facts_read(&account, &facts));
    assert_int_equal(facts.subgroup_size, 16);
    assert_int_equal(facts.registers, 128);
    assert_int_equal(facts.spills, 10);
    assert_int_equal(facts.scratch_size, 1024);
    assert_int_equal(facts.shared_size, 512);
    assert_int_equal(facts.n_instructions, 1025);
    assert_loop(&facts.loop, 2, 1, 0);
    size_t size = 0;
    const char *code = disassembly_find(text, &size);
    assert_ptr_equal(code, strstr(text, "LABEL0:"));
    assert_ptr_equal(code + size, strstr(text, "\n---- Something"));
}

static void test_facts_of_others(void **state)
{
    static const char *const texts[] = {"", "\n", "[compute] A shader\nInstructions: 7\n",
                                        "[compute] A shader, subgroup size 8\nOpcodes: 7\n"};
    for (size_t i = 0; i < SMR_COUNT(texts); i++) {
        const struct account account = {ISA_AMD, texts[i], true};
        struct facts facts;
        assert_false(facts_read(&account, &facts));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_amd_by_llvm),    cmocka_unit_test(test_amd_by_itself),
        cmocka_unit_test(test_intel),          cmocka_unit_test(test_nested),
        cmocka_unit_test(test_no_loop),        cmocka_unit_test(test_facts_of_amd),
        cmocka_unit_test(test_facts_of_intel), cmocka_unit_test(test_facts_of_others),
    };
    return cmocka_run_group_tests_name("isa", tests, NULL, NULL);
}
