// huggingface_decoder.c - decoders of tokenizer.json.
//
// Ours turn tokens into text one by one, so that text can be streamed. What depends on more than
// the token and on being the first one can't be: it is an error. One thing differs: a run of bytes
// that is no UTF-8 as a whole keeps its good characters here, tokenizers gives a U+FFFD for each.
#include "text/huggingface.h"

#include <string.h>

static bool add_step(struct smr_huggingface *hf, const struct smr_decoder_step *step)
{
    struct smr_decoder *decoder = &hf->vocab->decoder;
    if (decoder->n_steps == SMR_DECODER_MAX_STEPS) {
        smr_regex_destroy(step->regex);
        return smr_huggingface_fail(hf, "decoder", "more than %d steps", SMR_DECODER_MAX_STEPS);
    }
    decoder->steps[decoder->n_steps++] = *step;
    return true;
}

static bool is_fused(const struct smr_decoder *decoder)
{
    for (uint32_t i = 0; i < decoder->n_steps; i++)
        if (decoder->steps[i].kind == SMR_DECODER_FUSE ||
            decoder->steps[i].kind == SMR_DECODER_LETTERS)
            return true;
    return false;
}

static bool read_text(const struct smr_huggingface *hf, const json_t *component, const char *key,
                      struct smr_decoder_step *step)
{
    const char *text;
    size_t size;
    if (!smr_huggingface_string(hf, component, key, &text, &size))
        return false;
    if (size > sizeof(step->text))
        return smr_huggingface_fail(hf, "decoder", "%s of %zu bytes, more than %zu", key, size,
                                    sizeof(step->text));
    if (size)
        memcpy(step->text, text, size);
    step->text_size = (uint32_t)size;
    return true;
}

static bool read_strip(struct smr_huggingface *hf, const json_t *component)
{
    struct smr_decoder_step step = {.kind = SMR_DECODER_STRIP};
    json_int_t start = json_integer_value(json_object_get(component, "start"));
    json_int_t stop = json_integer_value(json_object_get(component, "stop"));
    if (!read_text(hf, component, "content", &step))
        return false;
    if (!step.text_size || start < 0 || stop < 0 || start > 1024 || stop > 1024)
        return smr_huggingface_fail(hf, "decoder", "a Strip of no character, or of too many");
    if (is_fused(&hf->vocab->decoder) && (start > 1 || stop))
        return smr_huggingface_fail(hf, "decoder",
                                    "a Strip of a whole text, of more than its first character");
    step.start = (uint32_t)start;
    step.stop = (uint32_t)stop;
    return add_step(hf, &step);
}

static bool read_replace(struct smr_huggingface *hf, const json_t *component)
{
    struct smr_decoder_step step = {.kind = SMR_DECODER_REPLACE};
    if (!read_text(hf, component, "content", &step))
        return false;
    step.regex = smr_huggingface_pattern(hf, "decoder", json_object_get(component, "pattern"));
    return step.regex && add_step(hf, &step);
}

static bool read_metaspace(struct smr_huggingface *hf, const json_t *component)
{
    struct smr_decoder_step step = {.kind = SMR_DECODER_METASPACE};
    const char *scheme;
    size_t size;
    bool prefix;
    if (!read_text(hf, component, "replacement", &step) ||
        !smr_huggingface_string(hf, component, "prepend_scheme", &scheme, &size) ||
        !smr_huggingface_bool(hf, component, "add_prefix_space", true, &prefix))
        return false;
    step.first = prefix && !(scheme && !strcmp(scheme, "never"));
    return add_step(hf, &step);
}

static bool read_wordpiece(struct smr_huggingface *hf, const json_t *component)
{
    struct smr_decoder_step step = {.kind = SMR_DECODER_WORDPIECE};
    return read_text(hf, component, "prefix", &step) &&
           smr_huggingface_bool(hf, component, "cleanup", true, &step.clean_up) &&
           add_step(hf, &step);
}

static bool read_decoder(struct smr_huggingface *hf, const json_t *component);

static bool read_sequence(struct smr_huggingface *hf, const json_t *component)
{
    const json_t *list = json_object_get(component, "decoders");
    if (!json_is_array(list) || hf->depth >= SMR_HUGGINGFACE_MAX_DEPTH)
        return smr_huggingface_fail(hf, "decoder",
                                    "a Sequence without decoders, or in more than %d others",
                                    SMR_HUGGINGFACE_MAX_DEPTH);
    bool ok = true;
    hf->depth++;
    for (size_t i = 0; ok && i < json_array_size(list); i++)
        ok = read_decoder(hf, json_array_get(list, i));
    hf->depth--;
    return ok;
}

static bool read_decoder(struct smr_huggingface *hf, const json_t *component)
{
    static const struct {
        const char *type;
        enum smr_decoder_kind kind;
    } plain[] = {{"ByteLevel", SMR_DECODER_LETTERS},
                 {"ByteFallback", SMR_DECODER_BYTES},
                 {"Fuse", SMR_DECODER_FUSE}};
    const char *type = smr_huggingface_type(component);
    if (!strcmp(type, "Sequence"))
        return read_sequence(hf, component);
    if (!strcmp(type, "Strip"))
        return read_strip(hf, component);
    if (is_fused(&hf->vocab->decoder) && strcmp(type, "Fuse") != 0)
        return smr_huggingface_fail(hf, "decoder", "a %.64s of a whole text can't be streamed",
                                    type);
    for (size_t i = 0; i < SMR_COUNT(plain); i++)
        if (!strcmp(type, plain[i].type))
            return add_step(hf, &(struct smr_decoder_step){.kind = plain[i].kind});
    if (!strcmp(type, "Replace"))
        return read_replace(hf, component);
    if (!strcmp(type, "Metaspace"))
        return read_metaspace(hf, component);
    if (!strcmp(type, "WordPiece"))
        return read_wordpiece(hf, component);
    return smr_huggingface_fail(hf, "decoder", "the type \"%.64s\" is not known", type);
}

bool smr_huggingface_decoder(struct smr_huggingface *hf, const json_t *component)
{
    if (!component || json_is_null(component))
        return add_step(hf, &(struct smr_decoder_step){.kind = SMR_DECODER_SPACE});
    return read_decoder(hf, component);
}
