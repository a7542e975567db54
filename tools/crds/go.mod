module paif.local/tools/crds

go 1.25

require (
	github.com/vmware-tanzu/vm-operator v1.9.0
	sigs.k8s.io/cluster-api v1.9.5
)
