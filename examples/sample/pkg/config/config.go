// Package config reads the VIKUNJA_… environment, and config.yml below it.
package config

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	"code.vikunja.io/api/pkg/version"
)

// bodyReserve is what a request body may hold beside the largest file.
const bodyReserve = 2 << 20

// Size is a number of bytes and how the user wrote it.
type Size struct {
	Text  string
	Bytes int64
}

// Config holds every setting the application knows.
type Config struct {
	Interface          string
	UnixSocket         string
	PublicURL          string
	Secret             string
	RootPath           string
	EnableRegistration bool
	CORSEnabled        bool
	IPExtractionMethod string
	TrustedProxies     string
	NoAuthLimit        int

	DatabaseType        string
	DatabaseHost        string
	DatabaseName        string
	DatabaseUser        string
	DatabasePassword    string
	DatabasePath        string
	DatabaseSSLMode     string
	DatabaseSSLRootCert string
	DatabaseSSLCert     string
	DatabaseSSLKey      string
	DatabaseTLS         string

	FilesBasePath string
	FilesMaxSize  Size

	RedisEnabled  bool
	RedisHost     string
	RedisPassword string
	RedisDatabase int
	KeyValueType  string

	MailerEnabled   bool
	WebhooksEnabled bool

	LogStandard string
	LogHTTP     string
	LogLevel    string
	LogPath     string

	// Warnings are said at each start.
	Warnings []string
}

// BodyLimit is the largest request body that is accepted, in bytes.
func (c Config) BodyLimit() int64 { return c.FilesMaxSize.Bytes + bodyReserve }

// Load reads the process environment.
func Load() (Config, error) { return load(os.LookupEnv, version.Version) }

func load(lookup func(string) (string, bool), named string) (Config, error) {
	release := releaseOf(named)
	from := &source{lookup: lookup, files: release.readsFiles()}
	file, _, err := readFile(from.text("SERVICE_ROOTPATH", "."))
	if err != nil {
		return Config{}, err
	}
	from.file = file
	secret, warnings := sessionSecret(from, release)
	root := from.text("SERVICE_ROOTPATH", ".")
	config := Config{
		Interface:          from.text("SERVICE_INTERFACE", ":3456"),
		UnixSocket:         from.text("SERVICE_UNIXSOCKET", ""),
		PublicURL:          from.text("SERVICE_PUBLICURL", ""),
		Secret:             secret,
		RootPath:           root,
		EnableRegistration: from.boolean("SERVICE_ENABLEREGISTRATION", true),
		CORSEnabled:        from.boolean("CORS_ENABLE", true),
		IPExtractionMethod: from.text("SERVICE_IPEXTRACTIONMETHOD", "direct"),
		TrustedProxies:     from.text("SERVICE_TRUSTEDPROXIES", ""),
		NoAuthLimit:        from.number("RATELIMIT_NOAUTHLIMIT", 10),

		DatabaseType:        from.text("DATABASE_TYPE", "sqlite"),
		DatabaseHost:        from.text("DATABASE_HOST", "localhost"),
		DatabaseName:        from.text("DATABASE_DATABASE", "vikunja"),
		DatabaseUser:        from.text("DATABASE_USER", "vikunja"),
		DatabasePassword:    from.text("DATABASE_PASSWORD", ""),
		DatabasePath:        below(root, from.text("DATABASE_PATH", "vikunja.db")),
		DatabaseSSLMode:     from.text("DATABASE_SSLMODE", "disable"),
		DatabaseSSLRootCert: from.text("DATABASE_SSLROOTCERT", ""),
		DatabaseSSLCert:     from.text("DATABASE_SSLCERT", ""),
		DatabaseSSLKey:      from.text("DATABASE_SSLKEY", ""),
		DatabaseTLS:         from.text("DATABASE_TLS", "false"),

		FilesBasePath: below(root, from.text("FILES_BASEPATH", "files")),
		FilesMaxSize:  from.size("FILES_MAXSIZE", "20MB"),

		RedisEnabled:  from.boolean("REDIS_ENABLED", false),
		RedisHost:     from.text("REDIS_HOST", "localhost:6379"),
		RedisPassword: from.text("REDIS_PASSWORD", ""),
		RedisDatabase: from.number("REDIS_DB", 0),
		KeyValueType:  from.text("KEYVALUE_TYPE", "memory"),

		MailerEnabled:   from.boolean("MAILER_ENABLED", false),
		WebhooksEnabled: from.boolean("WEBHOOKS_ENABLED", true),

		LogStandard: from.text("LOG_STANDARD", "stdout"),
		LogHTTP:     from.text("LOG_HTTP", "stdout"),
		LogLevel:    from.text("LOG_LEVEL", "INFO"),
		LogPath:     below(root, from.text("LOG_PATH", "logs")),

		Warnings: warnings,
	}
	if from.err != nil {
		return Config{}, from.err
	}
	if public, err := url.Parse(config.PublicURL); config.PublicURL != "" && (err != nil || public.Host == "") {
		return Config{}, fmt.Errorf("VIKUNJA_SERVICE_PUBLICURL: %q has no scheme, as https://", config.PublicURL)
	}
	if config.KeyValueType == "redis" && !config.RedisEnabled {
		return Config{}, fmt.Errorf("VIKUNJA_KEYVALUE_TYPE is redis, but VIKUNJA_REDIS_ENABLED is false")
	}
	if config.Secret == "" {
		// As in Vikunja: without a set secret every start logs everybody out.
		random := make([]byte, 32)
		if _, err := rand.Read(random); err != nil {
			return Config{}, err
		}
		config.Secret = hex.EncodeToString(random)
	}
	return config, nil
}

func below(root, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(root, path)
}
