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
		-p FragmentPath -p DropInPaths -- $units
	echo
	[ -z "$packages" ] || dpkg-query -W \
		-f 'package\t${Package}\t${db:Status-Status}\t${Version}\n' -- $packages
} 2>/dev/null

# Of the units in their order, a block each, then of the packages.
answers_of_slow() {
	IFS=$newline
	# shellcheck disable=SC2086 # one name a line
	set -- $units
	load='' active='' file='' stale='' fragment='' drop_ins='' any_stale=''
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
		package*) printf '%s\n' "$line" ;;
		'')
			[ -z "$load" ] || {
				printf 'unit\t%s\t%s\t%s\t%s\t%s\t%s\n' \
					"$1" "$load" "$active" "$file" "$stale" "$fragment $drop_ins"
				shift
			}
			load='' active='' file='' stale='' fragment='' drop_ins=''
			;;
		esac
	done
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
