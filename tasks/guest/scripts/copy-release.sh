# Puts the release that another color has into a color's folders. Behind release-folders.sh.
# arguments: COLOR OTHER
stage "$1"
for part in backend mcp-server frontend; do
	mkdir -p "$opt/$part/$2"
	cp -a --reflink=auto "$opt/$part/$2" "$staging/$part"
done
swap_in "$1"
