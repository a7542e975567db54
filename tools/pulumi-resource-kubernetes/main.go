// Command pulumi-resource-kubernetes is the official Kubernetes provider, built from its Go module.
// The schema is copied out of the same module at build time.
package main

import (
	_ "embed"

	"github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/provider"
)

//go:embed schema.json
var schema []byte

//go:embed terraform-mapping.json
var terraformMapping []byte

const version = "4.25.0"

func main() { provider.Serve("kubernetes", version, schema, terraformMapping) }
