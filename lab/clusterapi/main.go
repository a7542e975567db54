// Command clusterapi is Cluster API's own admission of Clusters and ClusterClasses, and nothing else of it: the real
// webhooks on 127.0.0.1 with TLS, in front of the lab's Supervisor API server, whose objects they look at.
//
//	clusterapi -kubeconfig supervisor.yaml -listen 127.0.0.1:9443 -cert server.crt -key server.key
//
// The paths are those of the project: /mutate-… and /validate-cluster-x-k8s-io-v1beta1-cluster and …-clusterclass.
// /ready answers 503 until the objects that are looked at have been read once.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	clusterv1 "sigs.k8s.io/cluster-api/api/v1beta1"
	"sigs.k8s.io/cluster-api/api/v1beta1/index"
	expv1 "sigs.k8s.io/cluster-api/exp/api/v1beta1"
	"sigs.k8s.io/cluster-api/feature"
	"sigs.k8s.io/cluster-api/webhooks"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	metrics "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/webhook"
)

func main() {
	// Not the command line's own set: a library has put a flag of its own there.
	flags := flag.NewFlagSet("clusterapi", flag.ExitOnError)
	kubeconfig := flags.String("kubeconfig", "", "kubeconfig of the API server whose objects are looked at")
	listen := flags.String("listen", "", "address to serve on, 127.0.0.1:PORT")
	cert := flags.String("cert", "", "server certificate, PEM")
	key := flags.String("key", "", "server key, PEM, in the same folder")
	_ = flags.Parse(os.Args[1:])
	if err := run(*kubeconfig, *listen, *cert, *key); err != nil {
		fmt.Fprintln(os.Stderr, "clusterapi:", err)
		os.Exit(1)
	}
}

func run(kubeconfig, listen, cert, key string) error {
	host, port, err := address(listen)
	if err != nil {
		return err
	}
	if kubeconfig == "" || cert == "" || filepath.Dir(cert) != filepath.Dir(key) {
		return errors.New("-kubeconfig, and -cert and -key of one folder, are needed")
	}
	ctrl.SetLogger(klog.Background())
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	if err := feature.MutableGates.Set(string(feature.ClusterTopology) + "=true"); err != nil {
		return err
	}
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clusterv1.AddToScheme, expv1.AddToScheme} {
		if err := add(scheme); err != nil {
			return err
		}
	}
	manager, err := ctrl.NewManager(config, ctrl.Options{
		Scheme:  scheme,
		Cache:   cache.Options{DefaultTransform: cache.TransformStripManagedFields()},
		Metrics: metrics.Options{BindAddress: "0"},
		WebhookServer: webhook.NewServer(webhook.Options{
			Host: host, Port: port,
			CertDir: filepath.Dir(cert), CertName: filepath.Base(cert), KeyName: filepath.Base(key),
		}),
	})
	if err != nil {
		return err
	}
	ctx := ctrl.SetupSignalHandler()
	if err := admit(ctx, manager); err != nil {
		return err
	}
	return manager.Start(ctx)
}

func address(listen string) (string, int, error) {
	host, text, err := net.SplitHostPort(listen)
	if err != nil {
		return "", 0, fmt.Errorf("-listen: %w", err)
	}
	port, err := strconv.Atoi(text)
	return host, port, err
}

// admit registers the webhooks, and the answer to whether they can be asked.
func admit(ctx context.Context, manager ctrl.Manager) error {
	if err := index.ByClusterClassRef(ctx, manager); err != nil {
		return err
	}
	// Read before the first request instead of during it, which has seconds only.
	for _, each := range []client.Object{&clusterv1.Cluster{}, &clusterv1.ClusterClass{}} {
		if _, err := manager.GetCache().GetInformer(ctx, each); err != nil {
			return err
		}
	}
	// No reader of guest clusters: it is asked for machine pools, which VKS does not have.
	if err := (&webhooks.Cluster{Client: manager.GetClient()}).SetupWebhookWithManager(manager); err != nil {
		return err
	}
	if err := (&webhooks.ClusterClass{Client: manager.GetClient()}).SetupWebhookWithManager(manager); err != nil {
		return err
	}
	manager.GetWebhookServer().Register("/ready", ready(ctx, manager))
	return nil
}

func ready(ctx context.Context, manager ctrl.Manager) http.Handler {
	synced := make(chan struct{})
	go func() {
		if manager.GetCache().WaitForCacheSync(ctx) {
			close(synced)
		}
	}()
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		select {
		case <-synced:
		default:
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
}
