// Command vcenter is the lab's vCenter: a simulation, on govmomi's simulator, with GPU hosts, the placement rules of
// vSphere, the REST endpoints for Supervisor namespaces and VM classes, and an API of its own (/lab/v1) for the lab's operators.
//
//	vcenter --listen 127.0.0.1:8989 --cert server.crt --key server.key --state directory --inventory inventory.yaml \
//	        --username administrator@vsphere.local --token-file token --faults faults.json
//
// PAIF_LAB_VCENTER_PASSWORD is the password of the one account, until the file of accounts has another one under "vcenter"
// (user name: password), which is read at every login. The process ends when its parent does.
//
// Files are named after what they simulate, as vSphere's API names it: managed objects (host_system.go, virtual_machine_power.go),
// REST resources (namespace_instances.go, content_library.go), services (sso.go, storage_policy.go, vm_service.go). soap.go and
// rest.go lead requests there. placement*.go hold the rules of GPUs and memory, persist.go and restore.go what outlives the
// process, lab_*.go what no vCenter has: the API for operators, and the faults.
package main

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

func main() {
	var s settings
	flag.StringVar(&s.listen, "listen", "", "address to serve on, 127.0.0.1:PORT")
	flag.StringVar(&s.cert, "cert", "", "server certificate, PEM")
	flag.StringVar(&s.key, "key", "", "server key, PEM")
	flag.StringVar(&s.state, "state", "", "directory that holds everything")
	flag.StringVar(&s.inventory, "inventory", "", "the simulated site, YAML")
	flag.StringVar(&s.username, "username", "administrator@vsphere.local", "name of the one account")
	flag.StringVar(&s.tokenFile, "token-file", "", "file with the token of /lab/v1")
	flag.StringVar(&s.faults, "faults", "", "file with the faults that are switched on, JSON; may be absent")
	flag.StringVar(&s.accounts, "accounts", "", "file with a changed password of the account, JSON; may be absent")
	flag.Parse()
	if err := s.run(); err != nil {
		fmt.Fprintln(os.Stderr, "vcenter:", err)
		os.Exit(1)
	}
}

type settings struct {
	listen, cert, key, state, inventory, username, tokenFile, faults, accounts string
}

// The time a guest takes to report its address on a lab that runs at the pace of a real site.
const realisticGuestDelay = 25 * time.Second

func (s *settings) run() error {
	parent := os.Getppid()
	password := os.Getenv("PAIF_LAB_VCENTER_PASSWORD")
	if password == "" {
		return errors.New("PAIF_LAB_VCENTER_PASSWORD must be set")
	}
	for name, value := range map[string]string{
		"listen": s.listen, "cert": s.cert, "key": s.key, "state": s.state, "inventory": s.inventory, "token-file": s.tokenFile,
	} {
		if value == "" {
			return fmt.Errorf("--%s is needed", name)
		}
	}
	token, err := os.ReadFile(s.tokenFile)
	if err != nil {
		return err
	}
	if strings.TrimSpace(string(token)) == "" {
		return fmt.Errorf("%s is empty; expected the token of /lab/v1", s.tokenFile)
	}
	site, err := loadInventory(s.inventory)
	if err != nil {
		return err
	}
	opts := options{
		state: s.state, username: s.username, password: password, token: strings.TrimSpace(string(token)), faults: s.faults,
		accounts: s.accounts,
	}
	if os.Getenv("PAIF_LAB_LATENCY") == "realistic" {
		opts.guestDelay = realisticGuestDelay
	}
	if err := usePrivateTempDir(s.state); err != nil {
		return err
	}
	// Before the long part, so that nobody waits for a port that somebody else has.
	listener, err := net.Listen("tcp", s.listen)
	if err != nil {
		return err
	}
	v, err := newVCenter(site, opts)
	if err != nil {
		return err
	}
	defer v.close()
	server := &http.Server{
		Handler:           v.handler("https://" + s.listen),
		ReadHeaderTimeout: 10 * time.Second,
		// Clients that do not trust the certificate are their own business.
		ErrorLog:  log.New(io.Discard, "", 0),
		TLSConfig: &tls.Config{MinVersion: tls.VersionTLS12},
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	go exitWithParent(parent)
	go func() {
		<-ctx.Done()
		_ = server.Close()
	}()
	if err := server.ServeTLS(listener, s.cert, s.key); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// usePrivateTempDir keeps the simulator's temporary files in the state directory, where the next start clears what a kill left.
func usePrivateTempDir(state string) error {
	directory, err := filepath.Abs(filepath.Join(state, "tmp"))
	if err == nil {
		err = os.RemoveAll(directory)
	}
	if err == nil {
		err = os.MkdirAll(directory, 0o700)
	}
	if err == nil {
		err = os.Setenv("TMPDIR", directory)
	}
	return err
}

// exitWithParent ends the process when it is given to another parent. Everything that was answered is on disk.
func exitWithParent(parent int) {
	for os.Getppid() == parent {
		time.Sleep(time.Second)
	}
	os.Exit(0)
}
