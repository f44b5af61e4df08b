# How large the file system of a path is: its blocks, and their size in bytes. Arguments: PATH.

probe_file_system() {
	stat -f -c '%b %S' -- "$1"
}
