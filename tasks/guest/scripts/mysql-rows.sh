# What MySQL's client says of rows.

rows_as_copy() {
	# What the client writes, as PostgreSQL's COPY does. The client escapes some characters already
	# (by SQL that takes very long), and a NULL is a word: every other value comes with `=` in front.
	# A line with `#` in front is another text, of any number of lines.
	LC_ALL=C sed '
		/^#/ {
			s/^#//
			s/\\\\/\x01/g
			s/\\n/\n/g
			s/\x01/\\/g
			b
		}
		s/\r/\\r/g
		s/\x08/\\b/g
		s/\x0b/\\v/g
		s/\x0c/\\f/g
		s/^NULL/\\N/
		s/\tNULL/\t\\N/g
		s/^=//
		s/\t=/\t/g
	'
}
