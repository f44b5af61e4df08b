# Nobody but the tool gets anything, also when the container starts anew, and nothing has the database
# open.
set -eu
active=/etc/vikunja/active
mkdir -p "$active"
: >"$active/.maintenance.new"
mv -fT "$active/.maintenance.new" "$active/maintenance"
sync "$active"
systemctl stop 'vikunja-mcp@*' 'vikunja-backend@*'
