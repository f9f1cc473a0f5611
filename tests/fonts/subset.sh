#!/bin/sh
# Makes the two font files of this folder: subset.sh FOLDER, where FOLDER has DejaVuSansMono.ttf and DejaVuSansMono-Bold.ttf
# (for example from Debian's package fonts-dejavu-mono). It needs pyftsubset of the Python package fonttools.
#
# Kept are Latin-1 and some signs. Boxes, blocks and braille are drawn without a font.
set -eu
here=$(dirname "$0")
for weight in '' -Bold; do
    pyftsubset "$1/DejaVuSansMono$weight.ttf" \
        --unicodes='U+0020-007E,U+00A0-00FF,U+2010-2015,U+2018-201E,U+2022,U+2026,U+2190-2199,U+25A0-25CF,U+2605,U+2713,U+2715' \
        --layout-features='' --drop-tables+=GDEF,GPOS,GSUB --no-hinting --no-recalc-timestamp \
        --name-IDs='0,1,2,7,13,14' --output-file="$here/DejaVuSansMono$weight.ttf"
done
