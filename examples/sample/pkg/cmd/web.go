package cmd

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"code.vikunja.io/api/pkg/config"
	"code.vikunja.io/api/pkg/hub"
	"code.vikunja.io/api/pkg/log"
	"code.vikunja.io/api/pkg/misbehave"
	"code.vikunja.io/api/pkg/redis"
	"code.vikunja.io/api/pkg/routes"
	"code.vikunja.io/api/pkg/version"
)

const drainLimit = 10 * time.Second

func web(settings config.Config, _ []string) error {
	if misbehave.FailStart() {
		return errors.New("told not to start by SAMPLE_FAIL_START")
	}
	if settings.CORSEnabled && settings.PublicURL == "" {
		return errors.New("service.publicurl is required when cors is enabled")
	}
	stop := make(chan os.Signal, 1)
	// SIGTERM is not caught, as in Vikunja: it ends the process at once.
	signal.Notify(stop, os.Interrupt)
	if misbehave.HangOnStop() {
		signal.Ignore(os.Interrupt, syscall.SIGTERM)
	}
	log.Infof("Vikunja sample application version %s", version.Version)
	database, store, err := openAll(settings)
	if err != nil {
		return err
	}
	if settings.RedisEnabled {
		if err := redis.Ping(settings); err != nil {
			return err
		}
	}
	if settings.MailerEnabled {
		log.Infof("The mailer is on: this process sends reminders.")
	}
	time.Sleep(misbehave.StartDelay())

	changes := hub.New()
	handler := &routes.Server{Config: settings, Database: database, Files: store, Hub: changes}
	server := &http.Server{Handler: handler.Handler(), ReadHeaderTimeout: 10 * time.Second}
	server.RegisterOnShutdown(changes.Close)
	go serve(server, settings)

	<-stop
	log.Infof("Shutting down...")
	ctx, cancel := context.WithTimeout(context.Background(), drainLimit)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		return err
	}
	return database.Close()
}

// serve does not end the process when it cannot listen: Vikunja's stays, too.
func serve(server *http.Server, settings config.Config) {
	listener, err := listen(settings)
	if err == nil {
		log.Infof("HTTP server listening on %s", listener.Addr())
		err = server.Serve(listener)
	}
	if !errors.Is(err, http.ErrServerClosed) {
		log.Errorf("Server error: %v", err)
	}
}

func listen(settings config.Config) (net.Listener, error) {
	if settings.UnixSocket == "" {
		return net.Listen("tcp", settings.Interface)
	}
	if err := os.Remove(settings.UnixSocket); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	return net.Listen("unix", settings.UnixSocket)
}
