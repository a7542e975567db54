// Command gallery is the lab's model gallery: a small OCI registry on 127.0.0.1 with TLS, accounts, a token service and
// projects as Harbor has them, that keeps everything on disk and holds a few tiny simulated models from the start.
//
//	gallery -listen 127.0.0.1:5443 -cert server.crt -key server.key -data directory -accounts passwords.json
//
// PAIF_GALLERY_USERNAME and PAIF_GALLERY_PASSWORD name the one account of a new lab. What the file of accounts has under
// "gallery" (user name: password) counts instead, and is read at every request, so that passwords change while it serves.
// The process ends when its parent does.
package main

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	listen := flag.String("listen", "", "address to serve on, 127.0.0.1:PORT")
	cert := flag.String("cert", "", "server certificate, PEM")
	key := flag.String("key", "", "server key, PEM")
	data := flag.String("data", "", "directory that holds blobs and manifests")
	file := flag.String("accounts", "", "file of further accounts and changed passwords, JSON; may be missing")
	flag.Parse()
	if err := run(*listen, *cert, *key, *data, *file); err != nil {
		fmt.Fprintln(os.Stderr, "gallery:", err)
		os.Exit(1)
	}
}

func run(listen, cert, key, data, file string) error {
	username, password := os.Getenv("PAIF_GALLERY_USERNAME"), os.Getenv("PAIF_GALLERY_PASSWORD")
	if username == "" || password == "" {
		return errors.New("PAIF_GALLERY_USERNAME and PAIF_GALLERY_PASSWORD must both be set")
	}
	if listen == "" || cert == "" || key == "" || data == "" {
		return errors.New("-listen, -cert, -key and -data are all needed")
	}
	gallery, err := openStore(data)
	if err != nil {
		return err
	}
	if err := gallery.seed(simulatedModels); err != nil {
		return err
	}
	server := &http.Server{
		Addr:              listen,
		Handler:           newAuthorizer(gallery, accounts{username: password}, file),
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          log.New(os.Stderr, "", log.LstdFlags),
		TLSConfig:         &tls.Config{MinVersion: tls.VersionTLS12},
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	go exitWithParent(os.Getppid())
	go func() {
		<-ctx.Done()
		_ = server.Close()
	}()
	if err := server.ListenAndServeTLS(cert, key); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// exitWithParent ends the process when it is given to another parent. Everything on disk is complete at any moment, so
// nothing needs to be said goodbye to.
func exitWithParent(parent int) {
	for os.Getppid() == parent {
		time.Sleep(time.Second)
	}
	os.Exit(0)
}
