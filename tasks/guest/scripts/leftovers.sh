# Nothing of an earlier run is working any more. What an older version's guards of a write-stop left
# failed is forgotten: it is over, and systemd would say `degraded` for ever. Behind the guard.
systemctl reset-failed 'vikunja-deploy-guard-*.service' 2>/dev/null || :
