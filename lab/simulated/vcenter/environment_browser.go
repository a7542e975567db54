package main

import (
	"slices"
	"strings"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/simulator/esx"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

type validatingBrowser struct {
	*simulator.EnvironmentBrowser
	validator
}

// QueryConfigTarget adds what a VM on this host, or on any host, could get of GPUs.
func (b *validatingBrowser) QueryConfigTarget(ctx *simulator.Context, req *types.QueryConfigTarget) soap.HasFault {
	b.restoreSession()
	res := b.EnvironmentBrowser.QueryConfigTarget(ctx, req)
	body, ok := res.(*methods.QueryConfigTargetBody)
	if !ok || body.Res == nil {
		return res
	}
	target := body.Res.Returnval
	for _, h := range b.v.placement.hosts {
		if req.Host != nil && h.ref != *req.Host {
			continue
		}
		for _, g := range h.gpus {
			if g.model.Use == "passthrough" {
				target.PciPassthrough = append(target.PciPassthrough, &types.VirtualMachinePciPassthroughInfo{
					VirtualMachineTargetInfo: types.VirtualMachineTargetInfo{Name: g.address},
					PciDevice:                pciDevice(g.address, g.model),
					SystemId:                 h.systemID,
				})
				if !slices.ContainsFunc(target.DynamicPassthrough, func(i types.VirtualMachineDynamicPassthroughInfo) bool {
					return int64(i.DeviceId) == pciID(g.model.Device)
				}) {
					target.DynamicPassthrough = append(target.DynamicPassthrough, types.VirtualMachineDynamicPassthroughInfo{
						VirtualMachineTargetInfo: types.VirtualMachineTargetInfo{Name: g.model.Name},
						VendorName:               g.model.VendorName, DeviceName: g.model.Name,
						VendorId: int32(pciID(g.model.Vendor)), DeviceId: int32(pciID(g.model.Device)),
					})
				}
				continue
			}
			for _, profile := range sortedKeys(g.model.Profiles) {
				if !slices.ContainsFunc(target.SharedGpuPassthroughTypes, func(i types.VirtualMachinePciSharedGpuPassthroughInfo) bool {
					return i.Vgpu == profile
				}) {
					target.SharedGpuPassthroughTypes = append(target.SharedGpuPassthroughTypes, types.VirtualMachinePciSharedGpuPassthroughInfo{
						VirtualMachineTargetInfo: types.VirtualMachineTargetInfo{Name: profile}, Vgpu: profile,
					})
					target.VgpuProfileInfo = append(target.VgpuProfileInfo, types.VirtualMachineVgpuProfileInfo{
						VirtualMachineTargetInfo: types.VirtualMachineTargetInfo{Name: profile}, ProfileName: profile,
						DeviceVendorId: pciID(g.model.Device)<<16 | pciID(g.model.Vendor), FbSizeInGib: g.model.Profiles[profile],
						ProfileSharing: "TimeSliced", ProfileClass: "Compute",
					})
				}
			}
		}
	}
	return body
}

// vmBrowser is the environment browser of one VM, whose options are those of the VM's own hardware version. The simulator
// gives VMs that of their cluster.
type vmBrowser struct {
	validatingBrowser
	vm *simulator.VirtualMachine
}

const browserPrefix = "envbrowser-"

func (v *vcenter) vmOfBrowser(ref types.ManagedObjectReference) (*simulator.VirtualMachine, bool) {
	id, ok := strings.CutPrefix(ref.Value, browserPrefix)
	if !ok || ref.Type != "EnvironmentBrowser" {
		return nil, false
	}
	vm, ok := v.registry.Get(types.ManagedObjectReference{Type: "VirtualMachine", Value: id}).(*simulator.VirtualMachine)
	return vm, ok
}

// QueryConfigOption describes a hardware version, by default that of the VM.
func (b *vmBrowser) QueryConfigOption(req *types.QueryConfigOption) soap.HasFault {
	key := req.Key
	if key == "" {
		key = b.vm.Config.Version
	}
	return &methods.QueryConfigOptionBody{Res: &types.QueryConfigOptionResponse{Returnval: configOption(key)}}
}

func configOption(version string) *types.VirtualMachineConfigOption {
	option := &types.VirtualMachineConfigOption{Version: version, DefaultDevice: esx.VirtualDevice}
	if parsed, err := types.ParseHardwareVersion(version); err == nil {
		option.HardwareOptions.HwVersion = int32(parsed)
	}
	return option
}
