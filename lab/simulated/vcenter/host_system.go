package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

func (v *vcenter) buildHost(cluster *object.ClusterComputeResource, dvs *object.DistributedVirtualSwitch, group hostGroup, name string) error {
	ctx := v.background
	ref, err := v.taskResult(cluster.AddHost(ctx, types.HostConnectSpec{HostName: name}, true, nil, nil))
	if err != nil {
		return err
	}
	task, err := dvs.Reconfigure(ctx, &types.DVSConfigSpec{Host: []types.DistributedVirtualSwitchHostMemberConfigSpec{
		{Operation: string(types.ConfigSpecOperationAdd), Host: ref},
	}})
	if err != nil {
		return err
	}
	if err := task.Wait(ctx); err != nil {
		return err
	}
	system, err := object.NewHostSystem(v.client, ref).ConfigManager().DatastoreSystem(ctx)
	if err != nil {
		return err
	}
	datastore, err := system.CreateLocalDatastore(ctx, v.site.Datastore.Name, v.datastoreDirectory())
	if err != nil {
		return err
	}
	if v.datastore.Value == "" { // only the first host makes it, the others mount it
		v.datastore = datastore.Reference()
	}
	v.addGPUs(v.registry.Get(ref).(*simulator.HostSystem), group)
	return nil
}

// addGPUs gives a host its processors, memory and GPUs, in all places where clients look for them.
func (v *vcenter) addGPUs(system *simulator.HostSystem, group hostGroup) {
	memory := group.MemoryGib << 30
	hardware := *system.Hardware
	hardware.MemorySize = memory
	hardware.CpuInfo.NumCpuCores, hardware.CpuInfo.NumCpuPackages, hardware.CpuInfo.NumCpuThreads = group.Cores, 2, 2*group.Cores
	hardware.PciDevice = nil
	system.Hardware = &hardware
	summary := system.Summary.Hardware
	summary.MemorySize, summary.NumCpuCores, summary.NumCpuPkgs, summary.NumCpuThreads = memory, group.Cores, 2, 2*group.Cores
	system.Config.SharedPassthruGpuTypes, system.Config.SharedGpuCapabilities = nil, nil
	system.Config.PciPassthruInfo = nil

	h := &host{name: system.Name, ref: system.Self, systemID: system.Hardware.SystemInfo.Uuid, memoryMib: group.MemoryGib << 10}
	v.placement.hosts = append(v.placement.hosts, h)
	if group.GPU == "" {
		return
	}
	model := v.site.GPUs[group.GPU]
	shared := model.Use == "sharedDirect"
	for _, address := range group.Addresses {
		h.gpus = append(h.gpus, &gpu{address: address, model: &model})
		device := pciDevice(address, &model)
		system.Hardware.PciDevice = append(system.Hardware.PciDevice, device)
		system.Config.PciPassthruInfo = append(system.Config.PciPassthruInfo, &types.HostPciPassthruInfo{
			Id: address, DependentDevice: address, PassthruCapable: true, PassthruEnabled: !shared, PassthruActive: !shared,
		})
		if shared {
			system.Config.GraphicsInfo = append(system.Config.GraphicsInfo, types.HostGraphicsInfo{
				DeviceName: model.Name, VendorName: model.VendorName, PciId: address,
				GraphicsType: string(types.HostGraphicsInfoGraphicsTypeSharedDirect), VgpuMode: "sameSize",
				MemorySizeInKB: model.FramebufferGib << 20,
			})
		}
	}
	kind := string(types.HostGraphicsConfigGraphicsTypeShared)
	if shared {
		kind = string(types.HostGraphicsConfigGraphicsTypeSharedDirect)
	}
	system.Config.GraphicsConfig = &types.HostGraphicsConfig{
		HostDefaultGraphicsType: kind, SharedPassthruAssignmentPolicy: string(types.HostGraphicsConfigSharedPassthruAssignmentPolicyConsolidation),
	}
	if shared {
		for _, profile := range sortedKeys(model.Profiles) {
			system.Config.SharedPassthruGpuTypes = append(system.Config.SharedPassthruGpuTypes, profile)
			system.Config.SharedGpuCapabilities = append(system.Config.SharedGpuCapabilities, types.HostSharedGpuCapabilities{
				Vgpu: profile, SuspendSupported: true, MigrateSupported: true,
			})
		}
	}
}

func pciDevice(address string, model *gpuModel) types.HostPciDevice {
	const display3D = 0x0302
	var domain, bus, slot, function int
	if _, err := fmt.Sscanf(address, "%x:%x:%x.%x", &domain, &bus, &slot, &function); err != nil {
		panic(fmt.Sprintf("PCI address %q: %v", address, err))
	}
	return types.HostPciDevice{
		Id: address, ClassId: display3D, Bus: byte(bus), Slot: byte(slot), Function: byte(function),
		VendorId: int16(pciID(model.Vendor)), DeviceId: int16(pciID(model.Device)),
		VendorName: model.VendorName, DeviceName: model.Name,
	}
}

// updateGraphicsInfo lists the VMs on each GPU in the host's graphics information.
func (v *vcenter) updateGraphicsInfo(ctx *simulator.Context, name string) {
	h := v.placement.hostByName(name)
	if h == nil {
		return
	}
	system := v.registry.Get(h.ref).(*simulator.HostSystem)
	ctx.WithLock(system, func() {
		users := v.placement.users(name)
		infos := make([]types.HostGraphicsInfo, len(system.Config.GraphicsInfo))
		copy(infos, system.Config.GraphicsInfo)
		for i := range infos {
			infos[i].Vm = nil
			for _, vm := range users[infos[i].PciId] {
				infos[i].Vm = append(infos[i].Vm, types.ManagedObjectReference{Type: "VirtualMachine", Value: vm})
			}
		}
		ctx.Update(system, []types.PropertyChange{{Name: "config.graphicsInfo", Val: infos}})
	})
}

func (v *vcenter) listHosts(r *http.Request) (any, *apiError) {
	hosts := []any{}
	for _, h := range v.placement.hosts {
		system := v.registry.Get(h.ref).(*simulator.HostSystem)
		if names := r.URL.Query()["names"]; len(names) > 0 && !slices.Contains(names, h.name) {
			continue
		}
		hosts = append(hosts, map[string]any{
			"host": h.ref.Value, "name": h.name, "power_state": "POWERED_ON",
			"connection_state": strings.ToUpper(string(system.Runtime.ConnectionState)),
		})
	}
	return hosts, nil
}
