# How large the file system of a path is: its kind, blocks, and their size in bytes. Arguments: PATH.

probe_file_system() {
	stat -f -c '%T %b %S' -- "$1"
}
