# packages.sh - what quickstart and test need on this machine. To be sourced by sh.
# shellcheck shell=sh disable=SC2034

# Debian 12 and 13 have all of these under the same names.
packages_build="gcc g++ meson ninja-build pkgconf python3
    libjansson-dev libpcre2-dev libutf8proc-dev libxxhash-dev
    libvulkan-dev libvulkan-volk-dev glslang-dev spirv-tools ocl-icd-opencl-dev"
packages_model="python3-pip"
packages_vulkan="mesa-vulkan-drivers"
packages_opencl="pocl-opencl-icd"
packages_test="clang libclang-rt-dev clang-format clang-tidy libcmocka-dev
    libdrm-dev vulkan-validationlayers shellcheck mandoc git"
packages_test_12="oclgrind" # Debian 13 has no more

# For other systems: a command or a pkg-config module, and who brings it.
needed_commands="cc c++ meson ninja pkg-config python3"
needed_modules="jansson libpcre2-8 libutf8proc libxxhash vulkan"
needed_headers="volk.h glslang/Include/glslang_c_interface.h CL/cl_icd.h"

say() {
    printf '%s\n' "$*" >&2
}

# A loader alone computes nothing: is there any Vulkan driver?
have_vulkan_driver() {
    for file in /usr/share/vulkan/icd.d/*.json /etc/vulkan/icd.d/*.json \
        /usr/local/share/vulkan/icd.d/*.json "$HOME"/.local/share/vulkan/icd.d/*.json; do
        [ -e "$file" ] && return 0
    done
    return 1
}

# A GPU that some driver could use: what Linux makes a device file for.
have_gpu() {
    for file in /dev/dri/renderD* /dev/nvidia0 /dev/dxg; do
        [ -e "$file" ] && return 0
    done
    return 1
}

is_debian() {
    [ -r /etc/debian_version ] && command -v apt-get >/dev/null && command -v dpkg-query >/dev/null
}

# Of the packages named, those that are not installed.
missing_packages() {
    for package in "$@"; do
        case $(dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null) in
        ii*) ;;
        *) printf '%s ' "$package" ;;
        esac
    done
}

# Install what is missing of the packages named, saying so first.
install_packages() {
    missing=$(missing_packages "$@")
    [ -n "$missing" ] || return 0
    as_root=
    if [ "$(id -u)" -ne 0 ]; then
        as_root=sudo
        if ! command -v sudo >/dev/null; then
            say "These packages are missing, and installing them takes root or sudo:" \
                "apt-get install $missing"
            return 1
        fi
    fi
    say "Installing with apt-get${as_root:+, through sudo}: $missing"
    # shellcheck disable=SC2086 # words are what is wanted
    {
        $as_root apt-get update -qq >&2 &&
            $as_root env DEBIAN_FRONTEND=noninteractive \
                apt-get install -y -qq --no-install-recommends $missing >&2
    } || {
        say "apt-get failed. Install these packages and try again: $missing"
        return 1
    }
}

# Elsewhere than on Debian: say what is missing, by name. Fails when something is. The argument
# names further commands.
check_tools() {
    lacking=
    for name in $needed_commands $1; do
        command -v "$name" >/dev/null || lacking="$lacking $name"
    done
    if command -v pkg-config >/dev/null; then
        for name in $needed_modules; do
            pkg-config --exists "$name" || lacking="$lacking $name"
        done
    fi
    if command -v cc >/dev/null; then
        for name in $needed_headers; do
            printf '#include <%s>\n' "$name" | cc -E -x c - >/dev/null 2>&1 ||
                lacking="$lacking $name"
        done
    fi
    [ -n "$lacking" ] || return 0
    say "This is no Debian, so nothing is installed for you. Missing here:$lacking"
    say "samara needs a C and a C++ compiler, meson 1.0 or newer, ninja, pkg-config, Python 3," \
        "and the development files of jansson, PCRE2 (8 bit), utf8proc, xxHash, the Vulkan headers, volk," \
        "glslang and OpenCL; to compute, a Vulkan driver, or PoCL where there is no GPU."
    return 1
}
