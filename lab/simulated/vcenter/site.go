package main

import (
	"fmt"
	"os"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/vim25/types"
)

// build makes datacenter, switch, cluster, hosts, datastore, folder and resource pool.
func (v *vcenter) build() error {
	ctx := v.background
	dc, err := object.NewRootFolder(v.client).CreateDatacenter(ctx, v.site.Datacenter)
	if err != nil {
		return err
	}
	folders, err := dc.Folders(ctx)
	if err != nil {
		return err
	}
	v.datacenter, v.vmFolder = dc.Reference(), folders.VmFolder.Reference()
	dvs, err := v.buildNetwork(folders)
	if err != nil {
		return err
	}
	enabled := types.NewBool(true)
	cluster, err := folders.HostFolder.CreateCluster(ctx, v.site.Cluster, types.ClusterConfigSpecEx{
		DasConfig: &types.ClusterDasConfigInfo{Enabled: enabled},
		DrsConfig: &types.ClusterDrsConfigInfo{Enabled: enabled, DefaultVmBehavior: types.DrsBehaviorFullyAutomated},
	})
	if err != nil {
		return err
	}
	v.cluster = cluster.Reference()
	if err := os.MkdirAll(v.datastoreDirectory(), 0o700); err != nil {
		return err
	}
	for _, group := range v.site.Hosts {
		for _, name := range group.Names {
			if err := v.buildHost(cluster, dvs, group, name); err != nil {
				return fmt.Errorf("host %s: %w", name, err)
			}
		}
	}
	v.summarize()
	pool, err := cluster.ResourcePool(ctx)
	if err != nil {
		return err
	}
	v.rootPool = pool.Reference()
	if _, err := pool.Create(ctx, v.site.ResourcePool, types.DefaultResourceConfigSpec()); err != nil {
		return err
	}
	_, err = folders.VmFolder.CreateFolder(ctx, v.site.Folder)
	return err
}
