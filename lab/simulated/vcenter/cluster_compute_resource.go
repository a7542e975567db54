package main

import (
	"fmt"
	"net/http"
	"slices"

	"github.com/vmware/govmomi/simulator"
)

// summarize puts the version into the hosts, their sums into the cluster and the datastore's size into the datastore.
func (v *vcenter) summarize() {
	cluster := v.registry.Get(v.cluster).(*simulator.ClusterComputeResource)
	sum := cluster.Summary.GetComputeResourceSummary()
	sum.NumCpuCores, sum.NumCpuThreads, sum.TotalMemory, sum.EffectiveMemory = 0, 0, 0, 0
	for _, ref := range cluster.Host {
		system := v.registry.Get(ref).(*simulator.HostSystem)
		hardware := system.Summary.Hardware
		sum.NumCpuCores += hardware.NumCpuCores
		sum.NumCpuThreads += hardware.NumCpuThreads
		sum.TotalMemory += hardware.MemorySize
		sum.EffectiveMemory += hardware.MemorySize >> 20
		// Only now: while hosts are added, the simulator looks up hardware versions, and knows those of ESXi 8 at most.
		product := system.Config.Product
		product.Version, product.ApiVersion = v.site.Version, v.site.Version+".0"
		product.FullName = fmt.Sprintf("VMware ESX %s (simulated)", v.site.Version)
		system.Config.Product = product
		system.Summary.Config.Product = &product
	}
	browser := v.registry.Get(*cluster.EnvironmentBrowser).(*simulator.EnvironmentBrowser)
	browser.QueryConfigOptionResponse.Returnval = configOption(newestHardware.String())
	datastore := v.registry.Get(v.datastore).(*simulator.Datastore)
	size := v.site.Datastore.CapacityGib << 30
	datastore.Summary.Capacity, datastore.Summary.FreeSpace = size, size
	datastore.Info.GetDatastoreInfo().FreeSpace = size
}

func (v *vcenter) listClusters(r *http.Request) (any, *apiError) {
	if names := r.URL.Query()["names"]; len(names) > 0 && !slices.Contains(names, v.site.Cluster) {
		return []any{}, nil
	}
	return []any{map[string]any{"cluster": v.cluster.Value, "name": v.site.Cluster, "ha_enabled": true, "drs_enabled": true}}, nil
}

func (v *vcenter) getCluster(r *http.Request) (any, *apiError) {
	if r.PathValue("id") != v.cluster.Value {
		return nil, notFound("There is no cluster with the identifier %q.", r.PathValue("id"))
	}
	return map[string]string{"name": v.site.Cluster, "resource_pool": v.rootPool.Value}, nil
}
