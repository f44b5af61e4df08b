"""The other color beside the one that serves: its settings, not through the tool."""

GREEN_AS_BLUE = r"""
for file in /etc/vikunja/environment /etc/vikunja/mcp-environment \
    /usr/local/lib/vikunja/backend /usr/local/lib/vikunja/mcp; do
    [ ! -e "$file.blue" ] || cp -p "$file.blue" "$file.green"
done
for service in backend mcp; do
    file=/etc/systemd/system/vikunja-$service@
    [ ! -e "${file}blue.service" ] || cp -p "${file}blue.service" "${file}green.service"
done
sed -i 's/blue/green/g; s/\([38]45\)6/\17/g' /etc/vikunja/*environment.green \
    /usr/local/lib/vikunja/*.green /etc/systemd/system/vikunja-*@green.service
cp -aT /etc/vikunja/secrets/blue /etc/vikunja/secrets/green
systemctl daemon-reload
"""
"""All that green runs with but its release, as blue has it, with the default ports."""
