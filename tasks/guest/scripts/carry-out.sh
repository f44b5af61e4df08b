# A tar stream of what is there of these paths. Arguments: PATH…
cd /
for path; do
	[ ! -e "$path" ] || printf '%s\0' ".$path"
done | exec tar --create --file=- --format=gnu --null --files-from=-
