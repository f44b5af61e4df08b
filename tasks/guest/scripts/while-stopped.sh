# Runs COMMAND… where the write-stop is still under way, and keeps recover.sh away until it has ended.
# Who stood by may have put everything back meanwhile, for it heard nothing of the tool (a suspended
# machine): whatever would come next must not touch what serves again. Exit code 7: so it was.
mkdir -p /run/vikunja-deploy && exec 5>/run/vikunja-deploy/migration.lock || exit 1
phase=
if flock -s -n 5; then read -r phase _ </var/lib/vikunja-deploy/migration/journal; fi 2>/dev/null
case $phase in
stopping | saved) exec "$@" ;;
esac
echo 'nothing was heard of this tool for too long, and what was there before serves again' >&2
exit 7
