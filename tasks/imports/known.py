"""Vikunja's settings: which key of ours each belongs to, what it is without being set, and what is
not taken along. Names as variables have them, in lower case and without prefix."""

from __future__ import annotations

from collections.abc import Mapping

from tasks.imports.found import Kind

PLACES: tuple[tuple[str, str, Kind], ...] = (
    ("service_enableregistration", "vikunja.registration", "bool"),
    ("service_timezone", "vikunja.timezone", "text"),
    ("log_level", "vikunja.log.level", "level"),
    ("log_format", "vikunja.log.format", "text"),
    ("log_http", "vikunja.log.http", "logs"),
    ("log_mail", "vikunja.log.mail", "logs"),
    ("auth_local_enabled", "vikunja.auth.local", "bool"),
)
"""Setting, key, and what its text becomes."""

MAILER: tuple[tuple[str, str, Kind], ...] = (
    ("mailer_host", "vikunja.mailer.host", "text"),
    ("mailer_port", "vikunja.mailer.port", "number"),
    ("mailer_username", "vikunja.mailer.user", "text"),
    ("mailer_password", "vikunja.mailer.password_file", "secret"),
    ("mailer_fromemail", "vikunja.mailer.from", "text"),
)
"""Where mailer_enabled is true; mailer_forcessl is vikunja.mailer.encryption."""

LDAP: tuple[tuple[str, str, Kind], ...] = (
    ("auth_ldap_host", "vikunja.auth.ldap.host", "text"),
    ("auth_ldap_port", "vikunja.auth.ldap.port", "number"),
    ("auth_ldap_usetls", "vikunja.auth.ldap.tls", "bool"),
    ("auth_ldap_verifytls", "vikunja.auth.ldap.verify_certificate", "bool"),
    ("auth_ldap_basedn", "vikunja.auth.ldap.base_dn", "text"),
    ("auth_ldap_userfilter", "vikunja.auth.ldap.user_filter", "text"),
    ("auth_ldap_binddn", "vikunja.auth.ldap.bind_dn", "text"),
    ("auth_ldap_bindpassword", "vikunja.auth.ldap.bind_password_file", "secret"),
    ("auth_ldap_attribute_username", "vikunja.auth.ldap.username_attribute", "text"),
    ("auth_ldap_attribute_email", "vikunja.auth.ldap.email_attribute", "text"),
    ("auth_ldap_attribute_displayname", "vikunja.auth.ldap.name_attribute", "text"),
)
"""Where auth_ldap_enabled is true."""

S3: tuple[tuple[str, str, Kind], ...] = (
    ("files_s3_endpoint", "vikunja.files.s3.endpoint", "text"),
    ("files_s3_bucket", "vikunja.files.s3.bucket", "text"),
    ("files_s3_region", "vikunja.files.s3.region", "text"),
    ("files_s3_usepathstyle", "vikunja.files.s3.path_style", "bool"),
    ("files_s3_accesskey", "vikunja.files.s3.access_key", "text"),
    ("files_s3_secretkey", "vikunja.files.s3.secret_file", "secret"),
)
"""Where files_type is s3."""

OPENID: Mapping[str, str] = {
    "name": "name",
    "authurl": "url",
    "clientid": "client_id",
    "clientsecret": "client_secret_file",
    "scope": "scope",
    "logouturl": "logout_url",
    "usernamefallback": "username_fallback",
    "emailfallback": "email_fallback",
    "forceuserinfo": "force_user_info",
}
"""Of auth_openid_providers_KEY_…: what each is in vikunja.auth.openid."""

OWN_DEFAULT = "Vikunja's own default"

OTHERWISE: Mapping[str, str] = {
    "service_enableregistration": "true",
    "mailer_fromemail": "mail@vikunja",
    "auth_ldap_port": "389",
}
"""What Vikunja takes where a setting is not given, and this tool something else."""

LAID_OUT = (
    "service_interface",
    "service_unixsocket",
    "service_unixsocketmode",
    "service_rootpath",
    "service_publicurl",
    "service_frontendurl",
    "database_type",
    "database_path",
    "database_host",
    "database_database",
    "database_user",
    "database_password",
    "database_sslmode",
    "database_sslcert",
    "database_sslkey",
    "database_sslrootcert",
    "database_tls",
    "files_basepath",
    "files_type",
    "mailer_enabled",
    "mailer_forcessl",
    "auth_openid_enabled",
    "auth_ldap_enabled",
    "redis_enabled",
    "redis_host",
    "redis_password",
    "redis_db",
    "keyvalue_type",
)
"""What says how the old one is laid out, or only switches what other settings say: nothing of it is
lost, for the new one is laid out by the tool."""

GONE: Mapping[str, str] = {
    "log_echo": "it is log.http now",
    "service_enablemetrics": "it is metrics.enabled now",
    "service_sentrydsn": "it is sentry.dsn now",
    "service_staticpath": "the web UI is part of the program now",
    "typesense": "there is no such search any more",
}
"""Settings, or sections, that no version of today knows, and why."""

DEFAULTS: Mapping[str, str] = {
    "audit_enabled": "false",
    "audit_rotation_maxage": "30",
    "audit_rotation_maxsizemb": "100",
    "auth_ldap_attribute_displayname": "displayName",
    "auth_ldap_attribute_email": "mail",
    "auth_ldap_attribute_memberid": "member",
    "auth_ldap_attribute_username": "uid",
    "auth_ldap_groupsyncenabled": "false",
    "auth_ldap_groupsyncfilter": (
        "(&(objectclass=*)(|(objectclass=group)(objectclass=groupOfNames)))"
    ),
    "auth_ldap_groupsyncuseserviceaccount": "false",
    "auth_local_enabled": "true",
    "autotls_renewbefore": "720h",
    "avatar_gravatarbaseurl": "https://www.gravatar.com",
    "avatar_gravatarexpiration": "3600",
    "backgrounds_enabled": "true",
    "backgrounds_providers_unsplash_enabled": "false",
    "backgrounds_providers_upload_enabled": "true",
    "cors_maxage": "0",
    "database_maxconnectionlifetime": "10000",
    "database_maxidleconnections": "50",
    "database_maxopenconnections": "100",
    "database_schema": "public",
    "database_sslmode": "disable",
    "database_tls": "false",
    "defaultsettings_avatar_provider": "initials",
    "defaultsettings_overdue_tasks_reminders_enabled": "true",
    "defaultsettings_overdue_tasks_reminders_time": "9:00",
    "files_maxsize": "20MB",
    "log_database": "off",
    "log_databaselevel": "WARNING",
    "log_enabled": "true",
    "log_events": "off",
    "log_eventslevel": "INFO",
    "log_format": "text",
    "log_level": "INFO",
    "log_mail": "off",
    "log_maillevel": "INFO",
    "log_standard": "stdout",
    "mailer_authtype": "plain",
    "mailer_queuelength": "100",
    "mailer_queuetimeout": "30",
    "mailer_skiptlsverify": "false",
    "metrics_enabled": "false",
    "migration_microsofttodo_enable": "false",
    "migration_todoist_enable": "false",
    "migration_trello_enable": "false",
    "outgoingrequests_allownonroutableips": "false",
    "outgoingrequests_timeoutseconds": "30",
    "plugins_enabled": "false",
    "plugins_loader": "native",
    "ratelimit_enabled": "false",
    "ratelimit_kind": "user",
    "ratelimit_limit": "100",
    "ratelimit_noauthlimit": "10",
    "ratelimit_period": "60",
    "ratelimit_store": "memory",
    "sentry_dsn": (
        "https://440eedc957d545a795c17bbaf477497c@o1047380.ingest.sentry.io/4504254983634944"
    ),
    "sentry_enabled": "false",
    "sentry_frontenddsn": (
        "https://85694a2d757547cbbc90cd4b55c5a18d@o1047380.ingest.sentry.io/6024480"
    ),
    "sentry_frontendenabled": "false",
    "service_allowiconchanges": "true",
    "service_bcryptrounds": "11",
    "service_demomode": "false",
    "service_enablecaldav": "true",
    "service_enableemailreminders": "true",
    "service_enablelinksharing": "true",
    "service_enableopenidteamusersearch": "false",
    "service_enablepublicteams": "false",
    "service_enabletaskattachments": "true",
    "service_enabletaskcomments": "true",
    "service_enabletotp": "true",
    "service_enableuserdeletion": "true",
    "service_ipextractionmethod": "direct",
    "service_jwtttl": "259200",
    "service_jwtttllong": "2592000",
    "service_jwtttlshort": "600",
    "service_maxavatarsize": "1024",
    "service_maxitemsperpage": "50",
    "service_timezone": "GMT",
    "webhooks_allownonroutableips": "false",
    "webhooks_enabled": "true",
    "webhooks_timeoutseconds": "30",
}
"""Of settings whose default no version has changed: one that says the same says nothing. The sample
that packages of older versions install says all of them."""
