#!/bin/sh
# Makes the two font files of this folder: subset.sh FOLDER, where FOLDER has Inter-Regular.otf and Inter-SemiBold.otf
# (Inter 4.0, for example from Debian's package fonts-inter). It needs pyftsubset of the Python package fonttools.
#
# Kept are Latin-1, Latin Extended-A, Greek, and some signs. Layout tables go: text is set glyph by glyph.
set -eu
here=$(dirname "$0")
for weight in Regular SemiBold; do
    pyftsubset "$1/Inter-$weight.otf" \
        --unicodes='U+0020-007E,U+00A0-017F,U+0370-03FF,U+2010-2015,U+2018-201E,U+2020-2022,U+2026,U+2030,U+2032-2033,U+2039-203A,U+20AC,U+2122,U+2190-2193,U+2070-208E,U+2206,U+2211,U+2212,U+221A,U+221E,U+2248,U+2260,U+2264-2265,U+2713,U+2717' \
        --layout-features='' --drop-tables+=GDEF,GPOS,GSUB --no-hinting --no-recalc-timestamp \
        --name-IDs='0,1,2,7,13,14' --output-file="$here/Inter-$weight.otf"
done
