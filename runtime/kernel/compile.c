// compile.c - from a row of the registry to SPIR-V: source with its includes, glslang, disk cache.
//
// glslang's C interface has no include callbacks in version 12, so includes are put in here, with
// #line directives that make messages name the right file and line. The output is not optimised:
// drivers do that better, and the OpenCL translation wants the structure.
#include "base/context.h"
#include "kernel/registry.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <glslang/Include/glslang_c_interface.h>
#include <glslang/Public/resource_limits_c.h>
#include <glslang/build_info.h>

// ---- source -----------------------------------------------------------------------------------

enum { MAX_INCLUDES = 32, MAX_DEPTH = 8, MAX_NAME = 64, MAX_SOURCE_SIZE = 1 << 20 };

struct expansion {
    smr_context *context;
    struct smr_string *out;
    char included[MAX_INCLUDES][MAX_NAME]; // each file is put in once
    uint32_t n_included, depth;
};

// Read shader_dir/name. The file may be edited meanwhile, hence read and not mapped.
static bool read_from_folder(smr_context *context, const char *name, struct smr_string *text)
{
    struct smr_string path;
    smr_string_init(&path, context);
    smr_string_printf(&path, "%s/%s", context->params.shader_dir, name);
    if (path.failed)
        return false;
    FILE *file = fopen(path.data, "rb");
    int reason = errno;
    bool done = false;
    if (!file) {
        smr_fail(context, SMR_ERROR, "shader %s: %s", path.data, strerror(reason));
    } else {
        char part[4096];
        while (!feof(file) && !ferror(file) && text->size <= MAX_SOURCE_SIZE)
            smr_string_add(text, part, fread(part, 1, sizeof part, file));
        done = !ferror(file) && !text->failed && text->size <= MAX_SOURCE_SIZE;
        if (!done && !text->failed)
            smr_fail(context, SMR_ERROR, "shader %s: not readable, or larger than %d bytes",
                     path.data, MAX_SOURCE_SIZE);
        fclose(file);
    }
    smr_string_finish(&path);
    return done;
}

static bool read_file(smr_context *context, const char *name, struct smr_string *text)
{
    if (context->params.shader_dir)
        return read_from_folder(context, name, text);
    for (size_t i = 0; i < smr_n_shader_files; i++) {
        if (!strcmp(smr_shader_files[i].name, name)) {
            smr_string_add(text, smr_shader_files[i].data, smr_shader_files[i].size);
            return !text->failed;
        }
    }
    return smr_fail(context, SMR_ERROR, "shader %s is not built into this library", name);
}

// The name in a line `#include "name"`; false for any other line.
static bool parse_include(const char *line, size_t size, char name[MAX_NAME])
{
    static const char directive[] = "#include \"";
    const size_t begin = sizeof directive - 1;
    if (size <= begin || memcmp(line, directive, begin) != 0)
        return false;
    const char *end = memchr(line + begin, '"', size - begin);
    if (!end || (size_t)(end - line) - begin >= MAX_NAME)
        return false;
    size_t length = (size_t)(end - line) - begin;
    memcpy(name, line + begin, length);
    name[length] = 0;
    return true;
}

static bool expand(struct expansion *e, const char *name);

// Put `name` in at an #include, unless it is there already.
static bool expand_include(struct expansion *e, const char *name, const char *from, uint32_t line)
{
    for (uint32_t i = 0; i < e->n_included; i++)
        if (!strcmp(e->included[i], name))
            return true;
    if (e->n_included == MAX_INCLUDES || e->depth == MAX_DEPTH)
        return smr_fail(e->context, SMR_ERROR,
                        "shader %s:%u: more than %d includes, or nested deeper than %d", from, line,
                        MAX_INCLUDES, MAX_DEPTH);
    snprintf(e->included[e->n_included++], MAX_NAME, "%s", name);
    return expand(e, name);
}

static bool expand(struct expansion *e, const char *name)
{
    struct smr_string text;
    smr_string_init(&text, e->context);
    bool done = read_file(e->context, name, &text);
    e->depth++;
    smr_string_printf(e->out, "#line 1 \"%s\"\n", name);

    const char *at = text.data, *end = text.data + text.size;
    for (uint32_t line = 1; done && at < end; line++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t size = newline ? (size_t)(newline - at) : (size_t)(end - at);
        char included[MAX_NAME];
        if (parse_include(at, size, included)) {
            done = expand_include(e, included, name, line);
            smr_string_printf(e->out, "#line %u \"%s\"\n", line + 1, name);
        } else {
            smr_string_add(e->out, at, size);
            smr_string_add(e->out, "\n", 1);
        }
        at += size + (newline ? 1 : 0);
    }
    e->depth--;
    smr_string_finish(&text);
    return done && !e->out->failed;
}

bool smr_shader_source(smr_context *context, const char *name, struct smr_string *source)
{
    struct expansion e = {.context = context, .out = source};
    return expand(&e, name);
}

// The whole text of a variant: version, defines, source.
static bool variant_source(smr_context *context, const struct smr_kernel_key *key,
                           struct smr_string *source)
{
    const struct smr_kernel_desc *desc = smr_kernel_desc(key->id);
    char name[MAX_NAME];
    snprintf(name, sizeof name, "%s.comp", desc->name);
    smr_string_printf(source,
                      "#version 450\n"
                      "#extension GL_GOOGLE_cpp_style_line_directive : require\n"
                      "#define TYPE_%s 1\n%s",
                      smr_type_info((enum smr_type)key->type)->name,
                      desc->variants[key->variant].defines);
    return smr_shader_source(context, name, source);
}

// ---- glslang ----------------------------------------------------------------------------------

static pthread_once_t glslang_once =
    PTHREAD_ONCE_INIT; // glslang's tables are global to the process

static void start_glslang(void)
{
    glslang_initialize_process();
}

// Record the compiler's messages, several lines, as one line.
static bool compile_error(smr_context *context, const char *name, const char *log)
{
    char text[1500];
    size_t size = 0;
    for (const char *at = log ? log : ""; *at && size + 3 < sizeof text; at++) {
        if (*at != '\n') {
            text[size++] = *at;
        } else if (at[1] && at[1] != '\n') {
            text[size++] = ';';
            text[size++] = ' ';
        }
    }
    text[size] = 0;
    return smr_fail(context, SMR_ERROR, "shader %s does not compile: %s", name, text);
}

// Link `shader` alone and take its code.
static bool generate(smr_context *context, const char *name, glslang_shader_t *shader, int messages,
                     struct smr_blob *spirv)
{
    bool done = false;
    glslang_program_t *program = glslang_program_create();
    glslang_program_add_shader(program, shader);
    if (!glslang_program_link(program, messages)) {
        compile_error(context, name, glslang_program_get_info_log(program));
        goto done;
    }
    glslang_spv_options_t options = {.disable_optimizer = true};
    glslang_program_SPIRV_generate_with_options(program, GLSLANG_STAGE_COMPUTE, &options);
    size_t size = glslang_program_SPIRV_get_size(program) * sizeof(uint32_t);
    if (!size) {
        compile_error(context, name, glslang_program_SPIRV_get_messages(program));
        goto done;
    }
    spirv->data = smr_alloc(context, size, 1, "SPIR-V");
    if (!spirv->data)
        goto done;
    memcpy(spirv->data, glslang_program_SPIRV_get_ptr(program), size);
    spirv->size = size;
    done = true;
done:
    glslang_program_delete(program);
    return done;
}

static bool compile(smr_context *context, const char *name, const char *source,
                    struct smr_blob *spirv)
{
    const int messages = GLSLANG_MSG_SPV_RULES_BIT | GLSLANG_MSG_VULKAN_RULES_BIT;
    pthread_once(&glslang_once, start_glslang);
    glslang_input_t input = {
        .language = GLSLANG_SOURCE_GLSL,
        .stage = GLSLANG_STAGE_COMPUTE,
        .client = GLSLANG_CLIENT_VULKAN,
        .client_version = GLSLANG_TARGET_VULKAN_1_1,
        .target_language = GLSLANG_TARGET_SPV,
        .target_language_version = GLSLANG_TARGET_SPV_1_3,
        .code = source,
        .default_version = 450,
        .default_profile = GLSLANG_NO_PROFILE,
        .messages = messages,
        .resource = glslang_default_resource(),
    };
    glslang_shader_t *shader = glslang_shader_create(&input);
    if (!shader)
        return smr_fail(context, SMR_ERROR, "shader %s: glslang did not start", name);
    bool done = glslang_shader_preprocess(shader, &input) && glslang_shader_parse(shader, &input);
    if (!done)
        compile_error(context, name, glslang_shader_get_info_log(shader));
    else
        done = generate(context, name, shader, messages, spirv);
    glslang_shader_delete(shader);
    return done;
}

bool smr_shader_knows_matrices(void)
{
    return GLSLANG_VERSION_MAJOR >= 13;
}

// ---- kept SPIR-V ------------------------------------------------------------------------------

// Raise when the options above change, so that what was kept is compiled anew.
enum { OPTIONS_VERSION = 1 };

static bool is_spirv(const struct smr_blob *blob)
{
    uint32_t magic = 0;
    if (blob->size >= 20)
        memcpy(&magic, blob->data, sizeof magic);
    return magic == 0x07230203 && blob->size % 4 == 0;
}

bool smr_shader_compile(smr_context *context, const struct smr_kernel_key *key,
                        struct smr_blob *spirv)
{
    const struct smr_kernel_desc *desc = smr_kernel_desc(key->id);
    char name[MAX_NAME];
    snprintf(name, sizeof name, "%s %s %s", desc->name,
             smr_type_info((enum smr_type)key->type)->name, desc->variants[key->variant].name);
    *spirv = (struct smr_blob){0};
    struct smr_string source;
    smr_string_init(&source, context);
    bool done = variant_source(context, key, &source);
    if (!done)
        goto done;

    const uint32_t compiler[] = {GLSLANG_VERSION_MAJOR, GLSLANG_VERSION_MINOR,
                                 GLSLANG_VERSION_PATCH, OPTIONS_VERSION};
    struct smr_key hash = smr_hash(compiler, sizeof compiler, (struct smr_key){0});
    hash = smr_hash(source.data, source.size, hash);
    if (smr_cache_get(context, "spv", hash, spirv)) {
        if (is_spirv(spirv))
            goto done;
        smr_blob_free(context, spirv);
    }
    done = compile(context, name, source.data, spirv);
    if (done)
        smr_cache_put(context, "spv", hash, spirv->data, spirv->size);
done:
    smr_string_finish(&source);
    return done;
}
