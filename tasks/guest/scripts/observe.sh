# Answers questions about this container in one go and changes nothing.
# stdin: questions, one a line, fields parted by tabs, those about files last. stdout: facts, one a
# line, then, after a line `contents`, a tar stream of the files whose content differs from what
# was expected. Functions probe_<name> are put in front of this text as the questions need them.
#   text PATH       the first line
#   package NAME · user NAME · unit NAME
#   probe NUMBER NAME ARGUMENT…
#   file SUM PATH   SUM is `-`: no digest; `=`: its digest; a digest: that, and the content if it differs
# Starting a program costs more than what it is asked for: few are started, the slow ones and every
# probe beside the others.
set -fu
LC_ALL=C
export LC_ALL
umask 077
tab='	'
newline='
'
packages=
users=
units=
probes=
others=
files=
while IFS= read -r line; do
	case $line in
	"package$tab"*) packages=$packages${line#*"$tab"}$newline ;;
	"user$tab"*) users=$users${line#*"$tab"}$newline ;;
	"unit$tab"*) units=$units${line#*"$tab"}$newline ;;
	"probe$tab"*) probes=$probes${line#*"$tab"}$newline ;;
	"file$tab"*)
		files=$line$newline$(cat)
		break
		;;
	*) others=$others$line$newline ;;
	esac
done

# shellcheck disable=SC2086 # one name a line
slow() {
	IFS=$newline
	[ -z "$units" ] || systemctl show \
		-p LoadState -p ActiveState -p UnitFileState -p NeedDaemonReload \
		-p FragmentPath -p DropInPaths -p MainPID -- $units
	echo
	[ -z "$packages" ] || dpkg-query -W \
		-f 'package\t${Package}\t${db:Status-Status}\t${Version}\n' -- $packages
} 2>/dev/null

process_of() {
	# UNIT MAIN: the process whose program and libraries are what the unit runs.
	main=$2
	case $1 in
	# Of one that takes over from another, systemd hears once that one has ended.
	nginx.service) read -r main </run/nginx/nginx.pid ;;
	# The server is another unit's.
	postgresql.service) read -r main <<-PROCESS ;;
		$(find /run/postgresql -name '*.pid' -exec head -n 1 {} \; -quit)
	PROCESS
	esac 2>/dev/null
	printf '%s' "$main"
}

outdated() {
	# Which packages' programs and libraries units run that are replaced by now.
	gone=$(printf '%s' "$processes" | awk '$1 > 0 { print "/proc/" $1 "/maps" }' | sort -u |
		xargs -r grep -H -- ' (deleted)$' 2>/dev/null |
		sed -n 's|^/proc/\([0-9]*\)/maps:[0-9a-f-]* ..x. .* \(/usr/[^ ]*\) (deleted)$|\1 \2|p' | sort -u)
	[ -n "$gone" ] || return 0
	{
		# Named by where they are now: a folder of before may have been a link.
		printf '%s\n' "$gone" | sed 's|.*/|*/|' | sort -u | xargs -d '\n' dpkg-query -S -- 2>/dev/null |
			sed -n 's/^\([a-z0-9+.-]*\)[:,].* \(\/.*\)$/package \1 \2/p'
		printf '%s' "$processes" | sed 's/^/process /'
		printf '%s\n' "$gone" | sed 's/^/gone /'
	} | awk '
		{ base = $3; sub(/.*\//, "", base) }
		$1 == "package" && !(base in package) { package[base] = $2 }
		$1 == "process" { unit[$2] = $3 }
		$1 == "gone" {
			name = base in package ? package[base] : base
			if (!seen[$2, name]++) names[$2] = names[$2] " " name
		}
		END { for (process in names) print "outdated\t" unit[process] "\t" substr(names[process], 2) }'
}

# Of the units in their order, a block each, then of the packages.
answers_of_slow() {
	IFS=$newline
	# shellcheck disable=SC2086 # one name a line
	set -- $units
	load='' active='' file='' stale='' fragment='' drop_ins='' main='' any_stale='' processes=''
	while IFS= read -r line; do
		value=${line#*=}
		case $line in
		LoadState=*) load=$value ;;
		ActiveState=*) active=$value ;;
		UnitFileState=*) file=$value ;;
		NeedDaemonReload=*)
			stale=$value
			[ "$value" = no ] || any_stale=yes
			;;
		FragmentPath=*) fragment=$value ;;
		DropInPaths=*) drop_ins=$value ;;
		MainPID=*) main=$value ;;
		package*) printf '%s\n' "$line" ;;
		'')
			[ -z "$load" ] || {
				printf 'unit\t%s\t%s\t%s\t%s\t%s\t%s\n' \
					"$1" "$load" "$active" "$file" "$stale" "$fragment $drop_ins"
				processes="$processes$(process_of "$1" "$main") $1$newline"
				shift
			}
			load='' active='' file='' stale='' fragment='' drop_ins='' main=''
			;;
		esac
	done
	outdated
	# What systemd has not loaded yet, it does not know.
	[ -z "$any_stale" ] || find /etc/systemd /run/systemd/system /run/systemd/system.control -type f \
		\( -path '*.d/*.conf' -o -name '*.service' -o -name '*.timer' \) -printf 'unit-file\t%p\n' 2>/dev/null
}

answer_text() {
	line=
	[ -r "$1" ] && read -r line <"$1" && printf 'text\t%s\t%s\n' "$1" "$line"
}

answer_probe() {
	number=$1
	name=$2
	shift 2
	state=$("probe_$name" "$@" </dev/null 2>/dev/null)
	printf 'probe\t%s\t%s\n' "$number" "${state%%"$newline"*}"
}

answers_of_probes() {
	IFS=$newline
	for question in $probes; do
		IFS=$tab
		# shellcheck disable=SC2086 # the fields of one question
		set -- $question
		unset IFS
		answer_probe "$@" &
	done
	wait
}

answers() {
	IFS=$newline
	for question in $others; do
		IFS=$tab
		# shellcheck disable=SC2086 # the fields of one question
		set -- $question
		unset IFS
		kind=$1
		shift
		"answer_$kind" "$@"
	done
	IFS=$newline
	# shellcheck disable=SC2086 # one name a line
	[ -z "$users" ] || getent passwd -- $users | while IFS=: read -r name _ _ _ _ home shell; do
		printf 'user\t%s\t%s:%s\n' "$name" "$home" "$shell"
	done
	unset IFS

	stats=
	sums=
	if [ -n "$files" ]; then
		stats=$(printf '%s\n' "$files" | cut -f 3 | xargs -d '\n' sh -c \
			'exec find "$@" -maxdepth 0 -printf "file\t%p\t%y\t%m\t%u\t%g\t%s\t%l\n"' sh 2>/dev/null)
		printf '%s\n' "$stats"
		# No pipe, device or folder is ever read.
		sums=$(printf '%s\n' "$files" "$stats" | awk -F '\t' '
			$1 == "file" && NF == 3 { if ($2 != "-") hashed[$3] = 1; next }
			$1 == "file" && $3 == "f" && ($2 in hashed) { print $2 }' |
			xargs -r -d '\n' sha256sum -z -- 2>/dev/null | tr '\0' '\n')
	fi
	answers_of_slow
	cat <&3
	printf '%s\n' "$files" "$stats" "$sums" | awk -F '\t' '
		$1 == "file" && NF == 3 { if (length($2) == 64) wanted[$3] = $2; next }
		$1 == "file" { size[$2] = $7; next }
		/^[0-9a-f]+ [ *]/ {
			sum = substr($0, 1, 64); path = substr($0, 67)
			print "sum\t" path "\t" sum
			if (path in wanted && wanted[path] != sum && size[path] <= 262144) differing[++count] = path
		}
		END {
			print "contents"
			fflush()
			for (i = 1; i <= count; i++) print differing[i] | "tar -cPf - --no-recursion --verbatim-files-from -T - 2>/dev/null"
		}'
}

answers_of_probes </dev/null | {
	exec 3<&0
	slow </dev/null | answers
}
:
