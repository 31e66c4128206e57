#!/bin/sh
# Renders the app's icons from ../icon.svg with Chromium. The maskable one and Apple's fill their square, with the curve inside of the
# circle that a mask leaves.
set -eu
cd "$(dirname "$0")"
chromium=${CHROME:-chromium}
full=$(sed -e 's/ rx="7"//' -e 's/<path/<path transform="translate(3.6 3.6) scale(.775)"/' ../icon.svg)

render() { # svg text, pixels, file
  page=$(mktemp --suffix=.html)
  printf '<style>body{margin:0}svg{display:block;width:%spx;height:%spx}</style>%s' "$2" "$2" "$1" >"$page"
  "$chromium" --headless --no-sandbox --hide-scrollbars --default-background-color=00000000 --window-size="$2,$2" \
    --screenshot="$PWD/$3" "file://$page" >/dev/null 2>&1
  rm "$page"
}

render "$(cat ../icon.svg)" 192 192.png
render "$(cat ../icon.svg)" 512 512.png
render "$full" 512 maskable.png
render "$full" 180 apple.png
