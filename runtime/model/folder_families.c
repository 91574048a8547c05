// folder_families.c - the families of Hugging Face models: what their keys and tensors are in GGUF.
//
// Sources: the classes' configurations and parameters in https://github.com/huggingface/transformers,
// GGUF's names in gguf-py/gguf of https://github.com/ggml-org/llama.cpp. BART and Marian have none
// there: theirs follow T5's.
#include "model/folder.h"

#include <string.h>

// ---- keys -------------------------------------------------------------------------------------

static const struct smr_folder_key decoder_keys[] = {
    {"vocab_size", "vocab_size", SMR_FOLDER_U32},
    {"max_position_embeddings", "context_length", SMR_FOLDER_U32},
    {"hidden_size", "embedding_length", SMR_FOLDER_U32},
    {"num_hidden_layers", "block_count", SMR_FOLDER_U32},
    {"intermediate_size", "feed_forward_length", SMR_FOLDER_U32},
    {"num_attention_heads", "attention.head_count", SMR_FOLDER_U32},
    {"num_key_value_heads", "attention.head_count_kv", SMR_FOLDER_U32},
    {"head_dim", "attention.key_length", SMR_FOLDER_U32},
    {"head_dim", "attention.value_length", SMR_FOLDER_U32},
    {"rms_norm_eps", "attention.layer_norm_rms_epsilon", SMR_FOLDER_F32},
    {"attn_logit_softcapping", "attn_logit_softcapping", SMR_FOLDER_F32},
    {"final_logit_softcapping", "final_logit_softcapping", SMR_FOLDER_F32},
    {"num_local_experts", "expert_count", SMR_FOLDER_U32},
    {"num_experts", "expert_count", SMR_FOLDER_U32},
    {"num_experts_per_tok", "expert_used_count", SMR_FOLDER_U32},
    {"moe_intermediate_size", "expert_feed_forward_length", SMR_FOLDER_U32},
    {0},
};

static const struct smr_folder_key gpt2_keys[] = {
    {"vocab_size", "vocab_size", SMR_FOLDER_U32},
    {"n_positions", "context_length", SMR_FOLDER_U32},
    {"n_embd", "embedding_length", SMR_FOLDER_U32},
    {"n_layer", "block_count", SMR_FOLDER_U32},
    {"n_inner", "feed_forward_length", SMR_FOLDER_U32},
    {"n_head", "attention.head_count", SMR_FOLDER_U32},
    {"layer_norm_epsilon", "attention.layer_norm_epsilon", SMR_FOLDER_F32},
    {0},
};

static const struct smr_folder_key t5_keys[] = {
    {"vocab_size", "vocab_size", SMR_FOLDER_U32},
    {"n_positions", "context_length", SMR_FOLDER_U32},
    {"d_model", "embedding_length", SMR_FOLDER_U32},
    {"d_ff", "feed_forward_length", SMR_FOLDER_U32},
    {"num_layers", "block_count", SMR_FOLDER_U32},
    {"num_decoder_layers", "decoder_block_count", SMR_FOLDER_U32},
    {"num_heads", "attention.head_count", SMR_FOLDER_U32},
    {"d_kv", "attention.key_length", SMR_FOLDER_U32},
    {"d_kv", "attention.value_length", SMR_FOLDER_U32},
    {"layer_norm_epsilon", "attention.layer_norm_rms_epsilon", SMR_FOLDER_F32},
    {"relative_attention_num_buckets", "attention.relative_buckets_count", SMR_FOLDER_U32},
    {"relative_attention_max_distance", "attention.relative_max_distance", SMR_FOLDER_U32},
    {"decoder_start_token_id", "decoder_start_token_id", SMR_FOLDER_U32},
    {0},
};

static const struct smr_folder_key bart_keys[] = {
    {"vocab_size", "vocab_size", SMR_FOLDER_U32},
    {"max_position_embeddings", "context_length", SMR_FOLDER_U32},
    {"d_model", "embedding_length", SMR_FOLDER_U32},
    {"encoder_ffn_dim", "feed_forward_length", SMR_FOLDER_U32},
    {"encoder_layers", "block_count", SMR_FOLDER_U32},
    {"decoder_layers", "decoder_block_count", SMR_FOLDER_U32},
    {"encoder_attention_heads", "attention.head_count", SMR_FOLDER_U32},
    {"decoder_start_token_id", "decoder_start_token_id", SMR_FOLDER_U32},
    {0},
};

// ---- tensors ----------------------------------------------------------------------------------

static const struct smr_folder_name decoder_names[] = {
    {"embed_tokens.weight", "token_embd.weight", 0},
    {"norm.weight", "output_norm.weight", 0},
    {"lm_head.weight", "output.weight", SMR_FOLDER_OUTPUT},
    {"layers.*.input_layernorm.weight", "blk.*.attn_norm.weight", 0},
    {"layers.*.post_attention_layernorm.weight", "blk.*.ffn_norm.weight", 0},
    {"layers.*.self_attn.o_proj@", "blk.*.attn_output@", 0},
    {"layers.*.self_attn.rotary_emb.inv_freq", "", SMR_FOLDER_IGNORED}, // Llama 2's, all the same
    {0},
};

// Llama's queries and keys rotate neighbouring elements in GGUF, halves of a head in transformers.
static const struct smr_folder_name llama_attention[] = {
    {"layers.*.self_attn.q_proj@", "blk.*.attn_q@", SMR_FOLDER_QUERIES},
    {"layers.*.self_attn.k_proj@", "blk.*.attn_k@", SMR_FOLDER_KEYS},
    {"layers.*.self_attn.v_proj@", "blk.*.attn_v@", 0},
    {0},
};

static const struct smr_folder_name attention[] = {
    {"layers.*.self_attn.q_proj@", "blk.*.attn_q@", 0},
    {"layers.*.self_attn.k_proj@", "blk.*.attn_k@", 0},
    {"layers.*.self_attn.v_proj@", "blk.*.attn_v@", 0},
    {0},
};

static const struct smr_folder_name head_norms[] = {
    {"layers.*.self_attn.q_norm.weight", "blk.*.attn_q_norm.weight", 0},
    {"layers.*.self_attn.k_norm.weight", "blk.*.attn_k_norm.weight", 0},
    {0},
};

static const struct smr_folder_name gated[] = {
    {"layers.*.mlp.gate_proj@", "blk.*.ffn_gate@", 0},
    {"layers.*.mlp.up_proj@", "blk.*.ffn_up@", 0},
    {"layers.*.mlp.down_proj@", "blk.*.ffn_down@", 0},
    {0},
};

static const struct smr_folder_name mixtral_experts[] = {
    {"layers.*.block_sparse_moe.gate.weight", "blk.*.ffn_gate_inp.weight", 0},
    {"layers.*.block_sparse_moe.experts.*.w1.weight", "blk.*.ffn_gate_exps.weight", 0},
    {"layers.*.block_sparse_moe.experts.*.w3.weight", "blk.*.ffn_up_exps.weight", 0},
    {"layers.*.block_sparse_moe.experts.*.w2.weight", "blk.*.ffn_down_exps.weight", 0},
    {0},
};

static const struct smr_folder_name qwen_experts[] = {
    {"layers.*.mlp.gate.weight", "blk.*.ffn_gate_inp.weight", 0},
    {"layers.*.mlp.experts.*.gate_proj.weight", "blk.*.ffn_gate_exps.weight", 0},
    {"layers.*.mlp.experts.*.up_proj.weight", "blk.*.ffn_up_exps.weight", 0},
    {"layers.*.mlp.experts.*.down_proj.weight", "blk.*.ffn_down_exps.weight", 0},
    {0},
};

// The second norm of Seed-OSS goes by the name of its place in llama.cpp.
static const struct smr_folder_name seed_oss_names[] = {
    {"layers.*.post_attention_layernorm.weight", "blk.*.post_attention_norm.weight", 0},
    {0},
};

static const struct smr_folder_name phi3_names[] = {
    {"layers.*.self_attn.qkv_proj.weight", "blk.*.attn_qkv.weight", 0},
    {"layers.*.mlp.gate_up_proj.weight", "blk.*.ffn_up.weight", 0},
    {"layers.*.mlp.down_proj.weight", "blk.*.ffn_down.weight", 0},
    {0},
};

// Norms are 1 + weight, which GGUF has as one number. The rows come before those of
// decoder_names, whose names they share.
static const struct smr_folder_name gemma_names[] = {
    {"norm.weight", "output_norm.weight", SMR_FOLDER_ADD_ONE},
    {"layers.*.input_layernorm.weight", "blk.*.attn_norm.weight", SMR_FOLDER_ADD_ONE},
    {"layers.*.post_attention_layernorm.weight", "blk.*.post_attention_norm.weight",
     SMR_FOLDER_ADD_ONE},
    {"layers.*.pre_feedforward_layernorm.weight", "blk.*.ffn_norm.weight", SMR_FOLDER_ADD_ONE},
    {"layers.*.post_feedforward_layernorm.weight", "blk.*.post_ffw_norm.weight",
     SMR_FOLDER_ADD_ONE},
    {"layers.*.self_attn.q_norm.weight", "blk.*.attn_q_norm.weight", SMR_FOLDER_ADD_ONE},
    {"layers.*.self_attn.k_norm.weight", "blk.*.attn_k_norm.weight", SMR_FOLDER_ADD_ONE},
    {0},
};

static const struct smr_folder_name gpt2_names[] = {
    {"wte.weight", "token_embd.weight", 0},
    {"wpe.weight", "position_embd.weight", 0},
    {"ln_f@", "output_norm@", 0},
    {"lm_head.weight", "output.weight", SMR_FOLDER_OUTPUT},
    {"h.*.ln_1@", "blk.*.attn_norm@", 0},
    {"h.*.attn.c_attn@", "blk.*.attn_qkv@", SMR_FOLDER_TRANSPOSED},
    {"h.*.attn.c_proj@", "blk.*.attn_output@", SMR_FOLDER_TRANSPOSED},
    {"h.*.ln_2@", "blk.*.ffn_norm@", 0},
    {"h.*.mlp.c_fc@", "blk.*.ffn_up@", SMR_FOLDER_TRANSPOSED},
    {"h.*.mlp.c_proj@", "blk.*.ffn_down@", SMR_FOLDER_TRANSPOSED},
    {"h.*.attn.bias", "", SMR_FOLDER_IGNORED}, // the causal mask
    {"h.*.attn.masked_bias", "", SMR_FOLDER_IGNORED},
    {0},
};

static const struct smr_folder_name t5_names[] = {
    {"shared.weight", "token_embd.weight", 0},
    {"encoder.embed_tokens.weight", "token_embd.weight", SMR_FOLDER_ALIAS},
    {"decoder.embed_tokens.weight", "token_embd.weight", SMR_FOLDER_ALIAS},
    {"lm_head.weight", "output.weight", 0},
    {"encoder.final_layer_norm.weight", "enc.output_norm.weight", 0},
    {"decoder.final_layer_norm.weight", "dec.output_norm.weight", 0},
    {0},
};

static const struct smr_folder_name t5_encoder[] = {
    {"encoder.block.*.layer.0.layer_norm.weight", "enc.blk.*.attn_norm.weight", 0},
    {"encoder.block.*.layer.0.SelfAttention.q.weight", "enc.blk.*.attn_q.weight", 0},
    {"encoder.block.*.layer.0.SelfAttention.k.weight", "enc.blk.*.attn_k.weight", 0},
    {"encoder.block.*.layer.0.SelfAttention.v.weight", "enc.blk.*.attn_v.weight", 0},
    {"encoder.block.*.layer.0.SelfAttention.o.weight", "enc.blk.*.attn_o.weight", 0},
    {"encoder.block.*.layer.0.SelfAttention.relative_attention_bias.weight",
     "enc.blk.*.attn_rel_b.weight", 0},
    {"encoder.block.*.layer.1.layer_norm.weight", "enc.blk.*.ffn_norm.weight", 0},
    {"encoder.block.*.layer.1.DenseReluDense.wi.weight", "enc.blk.*.ffn_up.weight", 0},
    {"encoder.block.*.layer.1.DenseReluDense.wi_0.weight", "enc.blk.*.ffn_gate.weight", 0},
    {"encoder.block.*.layer.1.DenseReluDense.wi_1.weight", "enc.blk.*.ffn_up.weight", 0},
    {"encoder.block.*.layer.1.DenseReluDense.wo.weight", "enc.blk.*.ffn_down.weight", 0},
    {0},
};

static const struct smr_folder_name t5_decoder[] = {
    {"decoder.block.*.layer.0.layer_norm.weight", "dec.blk.*.attn_norm.weight", 0},
    {"decoder.block.*.layer.0.SelfAttention.q.weight", "dec.blk.*.attn_q.weight", 0},
    {"decoder.block.*.layer.0.SelfAttention.k.weight", "dec.blk.*.attn_k.weight", 0},
    {"decoder.block.*.layer.0.SelfAttention.v.weight", "dec.blk.*.attn_v.weight", 0},
    {"decoder.block.*.layer.0.SelfAttention.o.weight", "dec.blk.*.attn_o.weight", 0},
    {"decoder.block.*.layer.0.SelfAttention.relative_attention_bias.weight",
     "dec.blk.*.attn_rel_b.weight", 0},
    {"decoder.block.*.layer.1.layer_norm.weight", "dec.blk.*.cross_attn_norm.weight", 0},
    {"decoder.block.*.layer.1.EncDecAttention.q.weight", "dec.blk.*.cross_attn_q.weight", 0},
    {"decoder.block.*.layer.1.EncDecAttention.k.weight", "dec.blk.*.cross_attn_k.weight", 0},
    {"decoder.block.*.layer.1.EncDecAttention.v.weight", "dec.blk.*.cross_attn_v.weight", 0},
    {"decoder.block.*.layer.1.EncDecAttention.o.weight", "dec.blk.*.cross_attn_o.weight", 0},
    // Of the first T5 models; transformers does not read it either.
    {"decoder.block.*.layer.1.EncDecAttention.relative_attention_bias.weight", "",
     SMR_FOLDER_IGNORED},
    {"decoder.block.*.layer.2.layer_norm.weight", "dec.blk.*.ffn_norm.weight", 0},
    {"decoder.block.*.layer.2.DenseReluDense.wi.weight", "dec.blk.*.ffn_up.weight", 0},
    {"decoder.block.*.layer.2.DenseReluDense.wi_0.weight", "dec.blk.*.ffn_gate.weight", 0},
    {"decoder.block.*.layer.2.DenseReluDense.wi_1.weight", "dec.blk.*.ffn_up.weight", 0},
    {"decoder.block.*.layer.2.DenseReluDense.wo.weight", "dec.blk.*.ffn_down.weight", 0},
    {0},
};

static const struct smr_folder_name bart_names[] = {
    {"shared.weight", "token_embd.weight", 0},
    {"encoder.embed_tokens.weight", "token_embd.weight", SMR_FOLDER_ALIAS},
    {"decoder.embed_tokens.weight", "token_embd.weight", SMR_FOLDER_ALIAS},
    {"lm_head.weight", "output.weight", SMR_FOLDER_OUTPUT},
    {"final_logits_bias", "output.bias", 0},
    {0},
};

static const struct smr_folder_name bart_positions[] = {
    {"encoder.embed_positions.weight", "enc.position_embd.weight", 0},
    {"decoder.embed_positions.weight", "dec.position_embd.weight", 0},
    {"encoder.layernorm_embedding@", "enc.token_embd_norm@", 0},
    {"decoder.layernorm_embedding@", "dec.token_embd_norm@", 0},
    {0},
};

// Sines and cosines, which need no file.
static const struct smr_folder_name marian_positions[] = {
    {"encoder.embed_positions.weight", "", SMR_FOLDER_IGNORED},
    {"decoder.embed_positions.weight", "", SMR_FOLDER_IGNORED},
    {0},
};

static const struct smr_folder_name bart_encoder[] = {
    {"encoder.layers.*.self_attn.q_proj@", "enc.blk.*.attn_q@", 0},
    {"encoder.layers.*.self_attn.k_proj@", "enc.blk.*.attn_k@", 0},
    {"encoder.layers.*.self_attn.v_proj@", "enc.blk.*.attn_v@", 0},
    {"encoder.layers.*.self_attn.out_proj@", "enc.blk.*.attn_o@", 0},
    {"encoder.layers.*.self_attn_layer_norm@", "enc.blk.*.attn_norm@", 0},
    {"encoder.layers.*.fc1@", "enc.blk.*.ffn_up@", 0},
    {"encoder.layers.*.fc2@", "enc.blk.*.ffn_down@", 0},
    {"encoder.layers.*.final_layer_norm@", "enc.blk.*.ffn_norm@", 0},
    {0},
};

static const struct smr_folder_name bart_decoder[] = {
    {"decoder.layers.*.self_attn.q_proj@", "dec.blk.*.attn_q@", 0},
    {"decoder.layers.*.self_attn.k_proj@", "dec.blk.*.attn_k@", 0},
    {"decoder.layers.*.self_attn.v_proj@", "dec.blk.*.attn_v@", 0},
    {"decoder.layers.*.self_attn.out_proj@", "dec.blk.*.attn_o@", 0},
    {"decoder.layers.*.self_attn_layer_norm@", "dec.blk.*.attn_norm@", 0},
    {"decoder.layers.*.encoder_attn.q_proj@", "dec.blk.*.cross_attn_q@", 0},
    {"decoder.layers.*.encoder_attn.k_proj@", "dec.blk.*.cross_attn_k@", 0},
    {"decoder.layers.*.encoder_attn.v_proj@", "dec.blk.*.cross_attn_v@", 0},
    {"decoder.layers.*.encoder_attn.out_proj@", "dec.blk.*.cross_attn_o@", 0},
    {"decoder.layers.*.encoder_attn_layer_norm@", "dec.blk.*.cross_attn_norm@", 0},
    {"decoder.layers.*.fc1@", "dec.blk.*.ffn_up@", 0},
    {"decoder.layers.*.fc2@", "dec.blk.*.ffn_down@", 0},
    {"decoder.layers.*.final_layer_norm@", "dec.blk.*.ffn_norm@", 0},
    {0},
};

// ---- families ---------------------------------------------------------------------------------

#define GELU_TANH "gelu_pytorch_tanh|gelu_new|gelu_fast"

// Rows of names count in order. Defaults are those of the classes' configurations: files leave out
// what equals them.
static const struct smr_folder_family families[] = {
    {"llama",
     "llama",
     decoder_keys,
     "silu|swish",
     "{\"max_position_embeddings\": 2048, \"rms_norm_eps\": 1e-6, \"rope_theta\": 10000,"
     " \"tie_word_embeddings\": false}",
     {decoder_names, llama_attention, gated},
     0,
     false},
    {"mistral",
     "llama",
     decoder_keys,
     "silu|swish",
     "{\"max_position_embeddings\": 131072, \"rms_norm_eps\": 1e-6, \"rope_theta\": 10000,"
     " \"num_key_value_heads\": 8, \"sliding_window\": 4096, \"tie_word_embeddings\": false}",
     {decoder_names, llama_attention, gated},
     0,
     false},
    {"mixtral",
     "llama",
     decoder_keys,
     "silu|swish",
     "{\"max_position_embeddings\": 131072, \"rms_norm_eps\": 1e-5, \"rope_theta\": 1000000,"
     " \"num_key_value_heads\": 8, \"num_local_experts\": 8, \"num_experts_per_tok\": 2,"
     " \"tie_word_embeddings\": false}",
     {decoder_names, llama_attention, mixtral_experts},
     0,
     false},
    {"qwen2",
     "qwen2",
     decoder_keys,
     "silu|swish",
     "{\"max_position_embeddings\": 32768, \"rms_norm_eps\": 1e-6, \"rope_theta\": 10000,"
     " \"num_key_value_heads\": 32, \"use_sliding_window\": false, \"max_window_layers\": 28,"
     " \"tie_word_embeddings\": false}",
     {decoder_names, attention, gated},
     0,
     false},
    {"qwen3",
     "qwen3",
     decoder_keys,
     "silu|swish",
     "{\"max_position_embeddings\": 32768, \"rms_norm_eps\": 1e-6, \"rope_theta\": 10000,"
     " \"num_key_value_heads\": 32, \"head_dim\": 128, \"use_sliding_window\": false,"
     " \"max_window_layers\": 28, \"tie_word_embeddings\": false}",
     {decoder_names, attention, head_norms, gated},
     0,
     false},
    {"qwen3_moe",
     "qwen3moe",
     decoder_keys,
     "silu|swish",
     "{\"max_position_embeddings\": 32768, \"rms_norm_eps\": 1e-6, \"rope_theta\": 10000,"
     " \"num_key_value_heads\": 4, \"use_sliding_window\": false, \"max_window_layers\": 28,"
     " \"moe_intermediate_size\": 768, \"num_experts_per_tok\": 8, \"norm_topk_prob\": false,"
     " \"tie_word_embeddings\": false}",
     {decoder_names, attention, head_norms, qwen_experts, gated},
     0,
     false},
    {"seed_oss",
     "seed_oss",
     decoder_keys,
     "silu|swish",
     "{\"max_position_embeddings\": 524288, \"rms_norm_eps\": 1e-6, \"rope_theta\": 10000,"
     " \"num_key_value_heads\": 8, \"head_dim\": 128, \"tie_word_embeddings\": false}",
     {seed_oss_names, decoder_names, attention, gated},
     0,
     false},
    {"phi3",
     "phi3",
     decoder_keys,
     "silu|swish",
     "{\"max_position_embeddings\": 4096, \"rms_norm_eps\": 1e-5, \"rope_theta\": 10000,"
     " \"original_max_position_embeddings\": 4096, \"tie_word_embeddings\": false}",
     {decoder_names, phi3_names},
     0,
     false},
    {"gemma2",
     "gemma2",
     decoder_keys,
     GELU_TANH,
     "{\"vocab_size\": 256000, \"hidden_size\": 2304, \"intermediate_size\": 9216,"
     " \"num_hidden_layers\": 26, \"num_attention_heads\": 8, \"num_key_value_heads\": 4,"
     " \"head_dim\": 256, \"max_position_embeddings\": 8192, \"rms_norm_eps\": 1e-6,"
     " \"rope_theta\": 10000, \"query_pre_attn_scalar\": 256, \"sliding_window\": 4096,"
     " \"final_logit_softcapping\": 30, \"attn_logit_softcapping\": 50,"
     " \"tie_word_embeddings\": true}",
     {gemma_names, decoder_names, attention, gated},
     2,
     false},
    {"gemma3_text",
     "gemma3",
     decoder_keys,
     GELU_TANH,
     "{\"vocab_size\": 262208, \"hidden_size\": 2304, \"intermediate_size\": 9216,"
     " \"num_hidden_layers\": 26, \"num_attention_heads\": 8, \"num_key_value_heads\": 4,"
     " \"head_dim\": 256, \"max_position_embeddings\": 131072, \"rms_norm_eps\": 1e-6,"
     " \"rope_theta\": 1000000, \"rope_local_base_freq\": 10000,"
     " \"query_pre_attn_scalar\": 256, \"sliding_window\": 4096,"
     " \"tie_word_embeddings\": true}",
     {gemma_names, decoder_names, attention, gated},
     6,
     false},
    {"gpt2",
     "gpt2",
     gpt2_keys,
     GELU_TANH,
     "{\"vocab_size\": 50257, \"n_positions\": 1024, \"n_embd\": 768, \"n_layer\": 12,"
     " \"n_head\": 12, \"layer_norm_epsilon\": 1e-5, \"tie_word_embeddings\": true}",
     {gpt2_names},
     0,
     false},
    {"t5",
     "t5",
     t5_keys,
     NULL,
     "{\"vocab_size\": 32128, \"n_positions\": 512, \"d_model\": 512, \"d_kv\": 64,"
     " \"d_ff\": 2048, \"num_layers\": 6, \"num_heads\": 8,"
     " \"relative_attention_num_buckets\": 32, \"relative_attention_max_distance\": 128,"
     " \"layer_norm_epsilon\": 1e-6, \"feed_forward_proj\": \"relu\","
     " \"decoder_start_token_id\": 0, \"tie_word_embeddings\": true}",
     {t5_names, t5_encoder, t5_decoder},
     0,
     true},
    {"bart",
     "bart",
     bart_keys,
     NULL,
     "{\"max_position_embeddings\": 1024, \"encoder_layers\": 12, \"encoder_ffn_dim\": 4096,"
     " \"encoder_attention_heads\": 16, \"decoder_layers\": 12, \"decoder_ffn_dim\": 4096,"
     " \"decoder_attention_heads\": 16, \"activation_function\": \"gelu\", \"d_model\": 1024,"
     " \"scale_embedding\": false, \"decoder_start_token_id\": 2, \"tie_word_embeddings\": true}",
     {bart_names, bart_positions, bart_encoder, bart_decoder},
     0,
     true},
    {"marian",
     "marian",
     bart_keys,
     NULL,
     "{\"max_position_embeddings\": 1024, \"encoder_layers\": 12, \"encoder_ffn_dim\": 4096,"
     " \"encoder_attention_heads\": 16, \"decoder_layers\": 12, \"decoder_ffn_dim\": 4096,"
     " \"decoder_attention_heads\": 16, \"activation_function\": \"gelu\", \"d_model\": 1024,"
     " \"scale_embedding\": false, \"decoder_start_token_id\": 58100,"
     " \"tie_word_embeddings\": true}",
     {bart_names, marian_positions, bart_encoder, bart_decoder},
     0,
     true},
};

const struct smr_folder_family *smr_folder_find_family(smr_context *context, const char *path,
                                                       const char *model_type)
{
    struct smr_string known;
    smr_string_init(&known, context);
    for (size_t i = 0; i < SMR_COUNT(families); i++) {
        if (!strcmp(families[i].model_type, model_type)) {
            smr_string_finish(&known);
            return &families[i];
        }
        smr_string_printf(&known, "%s%s", i ? ", " : "", families[i].model_type);
    }
    smr_fail(context, SMR_ERROR_MODEL,
             "%s: model_type: \"%.64s\" is not a family this version runs (known: %s)", path,
             model_type, known.data ? known.data : "");
    smr_string_finish(&known);
    return NULL;
}
