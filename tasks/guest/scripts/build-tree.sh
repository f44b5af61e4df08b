# An empty folder for a build, and the user that it is for. Arguments: USER FOLDER.
set -eu
id -u "$1" >/dev/null 2>&1 || useradd --create-home --shell /bin/sh "$1"
rm -rf "$2"
install -d -o "$1" -g "$1" -m 0755 "$2"
