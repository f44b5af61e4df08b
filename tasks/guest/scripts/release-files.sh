# Whether a color's release is as release.sh put it there. Arguments: COLOR.
# It has noted each file, link included, in backend/COLOR/.files:
#   PATH  TYPE MODE OWNER:GROUP SIZE  TIME  DIGEST, of a link its target; parted by tabs
# Contents are read only of what has another time than was noted.

probe_release_files() {
	# `whole`, or the first difference: `PATH was edited` · `… has other rights` · `… is gone` ·
	# `… was added`. `unnoted`: by an older version of vikunja-deploy.
	note=backend/$1/.files
	if ! cd /opt/vikunja 2>/dev/null || ! [ -r "$note" ]; then
		echo unnoted
		return
	fi
	find "backend/$1" "frontend/$1" "mcp-server/$1" ! -type d ! -path "$note" \
		-printf '%p\t%y %m %U:%G %s\t%T@\t%l\n' 2>/dev/null |
		awk -F '\t' '
			NR == FNR { stat[$1] = $2; time[$1] = $3; digest[$1] = $4; next }
			!($1 in stat) { print $1 "\twas added"; next }
			{
				noted = stat[$1]
				delete stat[$1]
				split(noted, before, " ")
				split($2, now, " ")
				if (now[1] != before[1] || now[4] != before[4]) print $1 "\twas edited"
				else if ($2 != noted) print $1 "\thas other rights"
				else if (now[1] == "l" && $4 != digest[$1]) print $1 "\twas edited"
				else if ($3 != time[$1]) print $1 "\t" digest[$1]
			}
			END { for (path in stat) print path "\tis gone" }' "$note" - |
		{
			while IFS='	' read -r path how; do
				case $how in
				*' '*) ;;
				*)
					found=$(sha256sum -- "$path") && [ "${found%% *}" = "$how" ] && continue
					how='was edited'
					;;
				esac
				echo "$path $how"
				exit
			done
			echo whole
		}
}
