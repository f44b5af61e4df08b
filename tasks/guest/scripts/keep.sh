# Keeps what an update is about to change of the configuration, for put-back.sh. Behind the guard.
# Arguments: COLOR (that serves) UNIT… -- PATH…: units that take the files at these paths up.
# What was kept for the same version before counts: a killed run may have changed the rest since.
set -eu
LC_ALL=C
export LC_ALL
umask 077
home=/var/lib/vikunja-deploy
kept=$home/before
color=$1
shift
of="$color $(cat "$home/stamps/vikunja-backend@$color.service" 2>/dev/null || :)"
if [ "$(cat "$kept/of" 2>/dev/null)" != "$of" ]; then
	rm -rf "$kept" "$kept.new"
	mkdir -p "$kept.new/stamps"
	printf '%s\n' "$of" >"$kept.new/of"
	: >"$kept.new/list"
	mv -T "$kept.new" "$kept"
fi
while [ "$1" != -- ]; do
	if [ ! -e "$kept/stamps/$1" ]; then
		cat "$home/stamps/$1" >"$kept/stamps/.new" 2>/dev/null || :
		mv -T "$kept/stamps/.new" "$kept/stamps/$1"
	fi
	shift
done
shift
cp "$kept/list" "$kept/list.new"
number=$(wc -l <"$kept/list")
for path in "$@"; do
	if cut -f 2- "$kept/list" | grep -Fxq -e "$path"; then continue; fi
	if [ -e "$path" ] || [ -L "$path" ]; then
		rm -rf "${kept:?}/$number"
		cp -a "$path" "$kept/$number"
		printf '%s\t%s\n' "$number" "$path" >>"$kept/list.new"
	else
		printf -- '-\t%s\n' "$path" >>"$kept/list.new"
	fi
	number=$((number + 1))
done
sync -f "$kept"
mv -T "$kept/list.new" "$kept/list"
