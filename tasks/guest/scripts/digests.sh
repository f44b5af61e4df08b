# The digests of a folder's files, each line of `sha256sum` ended by NUL. arguments: FOLDER
cd "$1" && find . -type f -print0 | xargs -0 -r sha256sum -z
