#!/usr/bin/env bash
# Unpacks Debian's newest Rust with a standard library for wasm32 into a folder, beside the system and without root, and
# prints a compiler that runs from there: for machines whose own Rust has no such library and cannot get one.
set -euo pipefail
folder=$(mkdir -p "$1" && cd "$1" && pwd)
root="$folder/root" compiler="$folder/rustc"
if [ ! -x "$compiler" ]; then
    mkdir -p "$folder"/{lists/partial,cache/archives/partial,state,preferences} "$root"
    : > "$folder/state/status"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian sid main" > "$folder/sources.list"
    # Lists, cache and state of its own: nothing of the system is read or written.
    apt=(apt-get -qq -o "Dir::Etc::sourcelist=$folder/sources.list" -o Dir::Etc::sourceparts=/dev/null
        -o "Dir::Etc::preferencesparts=$folder/preferences" -o "Dir::State::lists=$folder/lists"
        -o "Dir::State::status=$folder/state/status" -o "Dir::Cache=$folder/cache" -o APT::Sandbox::User=root)
    "${apt[@]}" update >&2
    "${apt[@]}" --yes --no-install-recommends --download-only install rustc libstd-rust-dev-wasm32 >&2
    for package in "$folder"/cache/archives/*.deb; do
        case "${package##*/}" in
            rustc_* | libstd-rust* | lib*) dpkg --extract "$package" "$root" ;;
        esac
    done
    rm -r "$folder/cache" "$folder/lists"
    libraries="$root/usr/lib/$(dpkg-architecture -qDEB_HOST_MULTIARCH 2>/dev/null || gcc -dumpmachine)"
    # Its own loader and C library, which are newer than the system's.
    printf '#!/bin/sh\nexec "%s" --library-path "%s:%s" --argv0 "%s" "%s" --sysroot "%s" "$@"\n' \
        "$(echo "$libraries"/ld-linux-*.so.*)" "$libraries" "$root/usr/lib" \
        "$root/usr/bin/rustc" "$root/usr/bin/rustc" "$root/usr" > "$compiler"
    chmod +x "$compiler"
fi
echo "$compiler"
