#!/bin/sh
# Makes the fonts of the page from Adobe's variable fonts: the characters the page uses, two axes cut down.
# Needs npm, and Python with the packages fonttools and brotli. Run it here; the results are checked in.
# The names are dropped because the licence reserves "Source" for the unmodified fonts.
set -eu
work=$(mktemp -d)
(cd "$work" && npm pack --silent source-serif@4.5.1 source-sans@3.52.0 && for f in *.tgz; do mkdir "${f%.tgz}" && tar xzf "$f" -C "${f%.tgz}"; done)
serif="$work/source-serif-4.5.1/package"
sans="$work/source-sans-3.52.0/package"
chars='U+0020-007E,U+00A0,U+00A7,U+00B0-00B3,U+00B7,U+00B9,U+00D7,U+00C0-00FF,U+2013,U+2014,U+2016,U+2018-201E,U+2022,U+2026,U+2030,U+2080-2084,U+207F,U+2190-2193,U+2208,U+2211,U+2212,U+221A,U+221E,U+2223,U+223C,U+2248,U+2260,U+2264,U+2265,U+22A5'

make() { # from, to, axes
  python3 -m fontTools.varLib.instancer "$1" $3 -q -o "$work/cut.ttf"
  python3 -m fontTools.subset "$work/cut.ttf" --unicodes="$chars" --layout-features='kern,liga,tnum,lnum,onum,sups,subs,ccmp,locl,mark' --name-IDs=0,13,14 --flavor=woff2 --output-file="$2"
}
make "$serif/VAR/SourceSerif4Variable-Roman.ttf" serif-roman.woff2 'opsz=24 wght=400:600'
make "$serif/VAR/SourceSerif4Variable-Italic.ttf" serif-italic.woff2 'opsz=24 wght=400:600'
make "$sans/VF/SourceSans3VF-Upright.ttf" sans-roman.woff2 'wght=400:600'
cp "$serif/LICENSE.md" LICENSE.md
rm -r "$work"
