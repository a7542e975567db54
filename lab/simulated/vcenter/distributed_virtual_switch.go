package main

import (
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

func (v *vcenter) buildNetwork(folders *object.DatacenterFolders) (*object.DistributedVirtualSwitch, error) {
	ctx := v.background
	spec := types.DVSCreateSpec{ConfigSpec: &types.VMwareDVSConfigSpec{DVSConfigSpec: types.DVSConfigSpec{Name: v.site.Network.Switch}}}
	ref, err := v.taskResult(folders.NetworkFolder.CreateDVS(ctx, spec))
	if err != nil {
		return nil, err
	}
	dvs := object.NewDistributedVirtualSwitch(v.client, ref)
	task, err := dvs.AddPortgroup(ctx, []types.DVPortgroupConfigSpec{{
		Name: v.site.Network.Portgroup, Type: string(types.DistributedVirtualPortgroupPortgroupTypeEarlyBinding), NumPorts: 512,
	}})
	if err != nil {
		return nil, err
	}
	return dvs, task.Wait(ctx)
}

func (v *vcenter) portgroupBacking() types.BaseVirtualDeviceBackingInfo {
	for _, entity := range v.registry.All("DistributedVirtualPortgroup") {
		group := entity.(*simulator.DistributedVirtualPortgroup)
		if group.Name == v.site.Network.Portgroup {
			dvs := v.registry.Get(*group.Config.DistributedVirtualSwitch).(*simulator.DistributedVirtualSwitch)
			return &types.VirtualEthernetCardDistributedVirtualPortBackingInfo{Port: types.DistributedVirtualSwitchPortConnection{
				PortgroupKey: group.Key, SwitchUuid: dvs.Uuid,
			}}
		}
	}
	panic("the inventory has no port group " + v.site.Network.Portgroup)
}
